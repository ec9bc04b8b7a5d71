# Before cpack packs what it has installed: the time of all files is SOURCE_DATE_EPOCH, and whoever made the folders
# with whichever umask, all may read them.
execute_process(COMMAND find "${CPACK_TEMPORARY_DIRECTORY}" -type d -exec chmod 755 {} +)
execute_process(COMMAND find "${CPACK_TEMPORARY_DIRECTORY}" -exec touch -h -d "@$ENV{SOURCE_DATE_EPOCH}" {} +)
