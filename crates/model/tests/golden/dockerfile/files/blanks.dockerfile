FROM debian
	RUN  a	b
   RUN c   
 RUN d
ENV	a=b
COPY a	b  c/
EXPOSE 12
WORKDIR  /a b 
USER  x y
