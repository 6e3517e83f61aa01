# cloud-init made the user with bash, so that it can sign in before another shell is there.
id -u dev >/dev/null
shell=$DEVPOCKET_SHELL
[ -x "$shell" ] || install_packages "${shell##*/}"
[ -x "$shell" ] || fail "there is no shell $shell, also after installing ${shell##*/}"
usermod --shell "$shell" dev
# Shells that do not read /etc/profile take the variables from one that does.
case ${shell##*/} in
  zsh)
    put /etc/zsh/zprofile.devpocket <<'END'
emulate sh -c '. /etc/profile'
END
    grep -qs zprofile.devpocket /etc/zsh/zprofile ||
      printf '%s\n' '. /etc/zsh/zprofile.devpocket' >>/etc/zsh/zprofile
    ;;
  fish)
    put /etc/fish/conf.d/devpocket.fish <<'END'
if status is-login
    for pair in (bash -lc 'env -0' | string split0)
        set -l parts (string split -m 1 = -- $pair)
        contains -- $parts[1] PWD SHLVL _ SHELL; or set -gx $parts[1] $parts[2]
    end
end
END
    ;;
esac
