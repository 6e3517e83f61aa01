# On loopback: what is shown to the world is opened by a tunnel, or by a template with ports.
needs_apt
# It would begin to listen on port 80 by itself.
ln -sfn /dev/null /etc/systemd/system/nginx.service
install_packages nginx
rm -f /etc/systemd/system/nginx.service /etc/nginx/sites-enabled/default
put /etc/nginx/conf.d/devpocket.conf <<END
server {
  listen 127.0.0.1:$(parameter web-port);
  root /var/www/html;
  location / { try_files \$uri \$uri/ =404; }
}
END
systemctl daemon-reload
nginx -t
start nginx.service
