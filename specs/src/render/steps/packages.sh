install_packages "$@"
