FROM debian
RUN --network="none" x
RUN -- --mount=x y
RUN --network=none -- x
COPY --chown="1:2" --link a b
COPY --chown='x y' -- a b
ARG --what X=1
STOPSIGNAL --what 9
HEALTHCHECK --timeout= CMD x
HEALTHCHECK --anything NONE
RUN --device=vendor/class=name,required x
