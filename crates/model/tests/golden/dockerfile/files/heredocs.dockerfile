FROM debian
ARG name=world
RUN <<EOF
echo hello
 echo $name
EOF
RUN <<-'TABS'
	echo one
		echo two
	TABS
RUN <<PY
#!/usr/bin/env python3
print("hi")
PY
RUN python3 <<EOF && echo done
print("x")
EOF
RUN cat <<A 3<<"B" > /f
a $name
A
b $name
B
COPY <<a.txt <<"b.txt" <<-c.txt /docs/
${name} "quoted" \$name
a.txt
${name}
b.txt
	x
c.txt
COPY <<EOF /one
# not a comment
FROM nothing

EOF
ADD <<EOF /two
${name:-d}
EOF
RUN echo "<<EOF" '<<EOF' x<<EOF
RUN <<EOF
EOF
ONBUILD RUN <<EOF
x
EOF
ONBUILD COPY <<x <<y /z/
1
x
2
y
