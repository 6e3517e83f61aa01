# What makes a terminal pleasant, unless the user has files of their own.
[ -e "$HOME/.tmux.conf" ] || put "$HOME/.tmux.conf" <<'END'
set -g mouse on
set -g history-limit 50000
set -g default-terminal "tmux-256color"
set -g base-index 1
set -g renumber-windows on
set -s escape-time 10
END
git config --global --get init.defaultBranch >/dev/null || git config --global init.defaultBranch main
git config --global --get pull.rebase >/dev/null || git config --global pull.rebase false
for setting in name email; do
  variable=DEVPOCKET_PARAMETER_GIT_${setting^^}
  if [ -n "${!variable:-}" ]; then git config --global "user.$setting" "${!variable}"; fi
done
