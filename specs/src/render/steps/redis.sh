# On loopback, and nothing else listens.
needs_apt
install_packages redis-server
put /etc/redis/devpocket.conf <<'END'
bind 127.0.0.1 -::1
protected-mode yes
END
grep -qs '^include /etc/redis/devpocket.conf' /etc/redis/redis.conf ||
  printf '%s\n' 'include /etc/redis/devpocket.conf' >>/etc/redis/redis.conf
start redis-server.service
