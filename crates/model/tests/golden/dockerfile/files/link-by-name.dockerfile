FROM debian
COPY --link --chown=www a b
