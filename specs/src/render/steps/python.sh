# Python 3.11 or newer: the distribution's, or its package of that name beside an older one.
needs_apt
install_packages python3 python3-pip python3-venv
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  install_packages python3.11 python3.11-venv
  ln -sfn /usr/bin/python3.11 /usr/local/bin/python3
fi
ln -sfn "$(command -v python3)" /usr/local/bin/python
index=${DEVPOCKET_PARAMETER_PYPI_SOURCE:-}
[ -z "$index" ] || printf '[global]\nindex-url = %s\n' "$index" | put /etc/pip.conf
