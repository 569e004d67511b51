FROM scratch
COPY a /
WORKDIR x
ENV A=b
FROM scratch AS two
COPY --from=0 / /
COPY --from=scratch / /n/
