include(GNUInstallDirs)
install(TARGETS linnet linnet_shared ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS linnet_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES include/linnet.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The manual and the shells' completions are what the program itself prints.
if(NOT CMAKE_CROSSCOMPILING AND NOT LINNET_SANITIZE)
    set(told ${CMAKE_BINARY_DIR}/told)
    add_custom_command(TARGET linnet_program POST_BUILD
        COMMAND ${CMAKE_COMMAND} -E make_directory ${told}
        COMMAND linnet_program man > ${told}/linnet.1
        COMMAND linnet_program completion bash > ${told}/linnet
        COMMAND linnet_program completion zsh > ${told}/_linnet
        COMMAND linnet_program completion fish > ${told}/linnet.fish VERBATIM)
    install(FILES ${told}/linnet.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${told}/linnet
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(FILES ${told}/_linnet DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
    install(FILES ${told}/linnet.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
