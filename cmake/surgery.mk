# For GNU make: `include $(shell pkg-config --variable=makefile surgery)`. Then
#
#   $(eval $(call surgery_network,NAME,SCRIPT[,OPTIONS of surgeryc]))
#
# makes NAME.o, NAME.h and NAME.safetensors, and $(NAME_files) are all that it writes. It is made anew when the
# script, what it includes, its weights or the compiler changes; a stamp stands for the outputs, whose time changes
# only with their bytes. As everywhere in make, no path may have a space in it.
SURGERYC ?= $(shell pkg-config --variable=surgeryc surgery)
SURGERY_CFLAGS ?= $(shell pkg-config --cflags surgery)
SURGERY_LIBS ?= $(shell pkg-config --libs surgery) -Wl,-rpath,$(shell pkg-config --variable=libdir surgery)

define surgery_network
$(1)_files := $(1).o $(1).h $(1).safetensors $(1).stamp $(1).stamp.d
$(1).o $(1).h $(1).safetensors: $(1).stamp ;
$(1).stamp: $(2) $(SURGERYC)
	$(SURGERYC) $(2) -c -o $(1).o --keep-unchanged $(3) -MF $$@.d -MQ $$@
	@touch $$@
-include $(1).stamp.d
endef
