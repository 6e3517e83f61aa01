# Tools in an environment of their own: pip of the system must not fight the distribution.
place=/opt/devpocket/python
python3 -m venv --clear "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check --retries 2 "$@"
for program in virtualenv pipenv poetry flask django-admin; do
  if [ -x "$place/bin/$program" ]; then ln -sfn "$place/bin/$program" "/usr/local/bin/$program"; fi
done
