include(GNUInstallDirs)
install(TARGETS linnet linnet_shared ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET linnet_program)
    install(TARGETS linnet_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(EXISTS ${CMAKE_SOURCE_DIR}/include/linnet.h)
    install(FILES include/linnet.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endif()
