FROM debian AS debian
COPY --from=debian a b
