# The convolutions of ResNet-18 through the real code generator.
add_executable(bench_conv_codegen EXCLUDE_FROM_ALL conv_codegen.c specialised.c ${PROJECT_SOURCE_DIR}/runtime/base/pages.c)
set_target_properties(bench_conv_codegen PROPERTIES ENABLE_EXPORTS ON) # its own sg_parallel
target_link_libraries(bench_conv_codegen surgery_back ${CMAKE_DL_LIBS})
