# Programs of the npm registry, for the user whose Node it is.
[ $# -gt 0 ] || fail "npm has no arguments; they are the packages it installs"
export NVM_DIR="$HOME/.nvm"
[ -s "$NVM_DIR/nvm.sh" ] || fail "there is no Node for $(id -un); the step node comes before this one"
# In a function of its own: a file that is read sees the arguments of who reads it.
load_nvm() { . "$NVM_DIR/nvm.sh"; }
set +eu
load_nvm
set -eu
npm install --global --no-audit "$@"
