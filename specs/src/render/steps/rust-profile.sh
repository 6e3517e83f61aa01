put /etc/profile.d/devpocket-rust.sh <<'END'
PATH="$PATH:$HOME/.cargo/bin"
END
