package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	bytes := make([]byte, 8)
	rand.Read(bytes)
	dir, _ := os.Open("d")
	names, _ := dir.Readdirnames(-1)
	mask := syscall.Umask(0)
	var name syscall.Utsname
	syscall.Uname(&name)
	release := ""
	for _, c := range name.Release {
		if c != 0 {
			release += string(rune(c))
		}
	}
	now := time.Now()
	fmt.Printf("time %d %d random %x dir %s uname %s cpus %d pid %d umask %03o\n", now.Unix(), now.UnixNano(), bytes,
		strings.Join(names, " "), release, runtime.NumCPU(), os.Getpid(), mask)
}
