# cpack: three Debian packages, of the components that are installed, and a .tar.gz that may be unpacked anywhere. The
# same source makes the same bytes: set SOURCE_DATE_EPOCH, or it is the time of the last commit (1980 outside of a
# clone).
set(CPACK_PACKAGE_NAME surgery)
set(CPACK_PACKAGE_VENDOR "Surgery")
# Who makes the packages, as Debian's own tools have it.
if(DEFINED ENV{DEBEMAIL} AND DEFINED ENV{DEBFULLNAME})
  set(CPACK_PACKAGE_CONTACT "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
else()
  set(CPACK_PACKAGE_CONTACT "The Surgery authors <surgery@example.org>")
endif()
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "language and compiler for editing pretrained networks")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 1) # xz in several threads cuts its blocks by their number
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  set(package_time $ENV{SOURCE_DATE_EPOCH})
else()
  execute_process(COMMAND git log -1 --format=%ct WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE package_time
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT package_time)
    set(package_time 315532800)
  endif()
endif()
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_BINARY_DIR}/PackagesAtRun.cmake)
configure_file(PackagesAtRun.cmake.in PackagesAtRun.cmake @ONLY)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL compiler runtime development)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPILER_PACKAGE_NAME surgeryc)
set(CPACK_DEBIAN_COMPILER_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_COMPILER_PACKAGE_DEPENDS "gcc | c-compiler, binutils, libsurgery-dev (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_COMPILER_PACKAGE_RECOMMENDS "libopenblas0-openmp | libopenblas0")
set(CPACK_DEBIAN_COMPILER_PACKAGE_SUGGESTS "graphviz")
set(CPACK_COMPONENT_COMPILER_DESCRIPTION "A script cuts a network that someone else trained, freezes a part of it and
 gives it a new head; surgeryc makes a native program or an object of it.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libsurgery0)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS "libopenblas0-openmp | libopenblas0")
set(control ${CMAKE_CURRENT_BINARY_DIR}/control)
file(WRITE ${control}/shlibs "libsurgery ${PROJECT_VERSION_MAJOR} libsurgery0 (>= ${PROJECT_VERSION})\n")
file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${control}/shlibs ${control}/triggers)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "The shared library for programs that are linked with compiled networks.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libsurgery-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "libsurgery0 (= ${PROJECT_VERSION}), libjpeg-dev | libjpeg62-turbo-dev, libpng-dev, zlib1g-dev, libc6-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Static library, header, packages for CMake and pkg-config, rules for make.")

set(CPACK_ARCHIVE_COMPONENT_INSTALL OFF)
include(CPack)

# What Debian needs beside the files of a package: its licence and its changes.
set(doc ${CMAKE_CURRENT_BINARY_DIR}/doc)
file(WRITE ${doc}/copyright "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Surgery

Files: *
Copyright: 2026 The Surgery authors
License: Apache-2.0
 On Debian systems the text of the Apache License 2.0 is in
 /usr/share/common-licenses/Apache-2.0.
")
execute_process(COMMAND date -u -R -d @${package_time} OUTPUT_VARIABLE package_date OUTPUT_STRIP_TRAILING_WHITESPACE)
file(WRITE ${doc}/changelog "surgery (${PROJECT_VERSION}) unstable; urgency=low

  * What changes for users is in CHANGELOG.md of the source.

 -- ${CPACK_PACKAGE_CONTACT}  ${package_date}
")
execute_process(COMMAND ${GZIP} -9nkf ${doc}/changelog)
foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} upper)
  install(FILES ${doc}/copyright ${doc}/changelog.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME}
          COMPONENT ${component})
endforeach()
