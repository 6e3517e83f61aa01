put /etc/profile.d/devpocket-node.sh <<'END'
# Node of the user dev, by DevPocket.
if [ -s "$HOME/.nvm/nvm.sh" ]; then
  NVM_DIR="$HOME/.nvm"
  export NVM_DIR
  . "$NVM_DIR/nvm.sh"
fi
END
