ARG a=b
ARG c
