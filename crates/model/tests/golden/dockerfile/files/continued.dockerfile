FROM \
  debian \
  AS \
# in between
  x
RUN a\
b\
\
c
RUN a \\
RUN d \ 	
  e
ENV a=1 \
    # note
    b=2 \
	
    c=3
\
RUN after
RUN last \
# end
