# Installs all components, and moves the prefix: nothing in it may know where it was.
. "$INSTALL_SOURCE/common.sh"
rm -rf "$prefix" "$INSTALL_WORK/before"
quietly "$CMAKE" --install "$SURGERY_BUILD" --prefix "$INSTALL_WORK/before"
mv "$INSTALL_WORK/before" "$prefix"
finish
