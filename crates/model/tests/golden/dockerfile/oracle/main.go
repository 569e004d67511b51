// Asks BuildKit's own code: reads lines of JSON and answers each with one.
//
//	{"do":"tree","text":…}  {"do":"plan","text":…}  {"do":"words","word":…,"escape":…,"env":[…]}
//	{"do":"ignore","text":…,"paths":[…]}  {"do":"match","pattern":…,"paths":[…]}
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

type M = map[string]any

type ask struct {
	Do, Text, Word, Escape, Pattern string
	Env, Paths                      []string
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<28)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var a ask
		if err := json.Unmarshal(in.Bytes(), &a); err != nil {
			panic(err)
		}
		var answer any
		switch a.Do {
		case "tree":
			answer = tree(a.Text)
		case "plan":
			answer = plan(a.Text)
		case "words":
			answer = words(a)
		case "ignore":
			answer = ignore(a)
		case "match":
			answer = match(a)
		}
		if e, refused := answer.(error); refused {
			// What is refused is null; why, is asked for with WHY=1.
			answer = nil
			if os.Getenv("WHY") != "" {
				answer = e.Error()
			}
		}
		out.Write(plain(answer))
	}
}

func words(a ask) any {
	lex := shell.NewLex(rune(a.Escape[0]))
	env := shell.EnvsFromSlice(a.Env)
	one, _, err := lex.ProcessWord(a.Word, env)
	if err != nil {
		return err
	}
	all, err := lex.ProcessWords(a.Word, env)
	if err != nil {
		return err
	}
	if all == nil {
		all = []string{}
	}
	return M{"text": one, "words": all}
}

func ignore(a ask) any {
	patterns, err := ignorefile.ReadAll(strings.NewReader(a.Text))
	if err != nil {
		return err
	}
	pm, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	out := []bool{}
	for _, p := range a.Paths {
		m, err := pm.MatchesOrParentMatches(p)
		if err != nil {
			return err
		}
		out = append(out, m)
	}
	return out
}

func match(a ask) any {
	out := []bool{}
	for _, p := range a.Paths {
		m, err := filepath.Match(a.Pattern, p)
		if err != nil {
			return err
		}
		out = append(out, m)
	}
	return out
}

func strs(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

func tree(text string) (answer any) {
	defer func() {
		if r := recover(); r != nil {
			answer = fmt.Errorf("panic: %v", r)
		}
	}()
	d, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	stages, meta, err := instructions.Parse(d.AST, linter.New(&linter.Config{}))
	if err != nil {
		return err
	}
	if len(stages) == 0 {
		return fmt.Errorf("no stages")
	}
	args := []any{}
	for _, c := range meta {
		args = append(args, pairsOf(c.Args)...)
	}
	list := []any{}
	for _, s := range stages {
		says := []any{}
		for _, c := range s.Commands {
			says = append(says, say(c))
		}
		list = append(list, M{"base": s.BaseName, "name": s.Name, "platform": s.Platform, "says": says})
	}
	return M{"escape": string(d.EscapeToken), "args": args, "stages": list}
}

func pairsOf(args []instructions.KeyValuePairOptional) []any {
	out := []any{}
	for _, a := range args {
		if a.Value == nil {
			out = append(out, []any{a.Key, nil})
		} else {
			out = append(out, []any{a.Key, *a.Value})
		}
	}
	return out
}

func kvs(l instructions.KeyValuePairs) []any {
	out := []any{}
	for _, p := range l {
		out = append(out, []any{p.Key, p.Value})
	}
	return out
}

func cmd(c instructions.ShellDependantCmdLine) M {
	if c.PrependShell {
		return M{"line": strings.Join(c.CmdLine, " ")}
	}
	return M{"list": strs(c.CmdLine)}
}

func files(s instructions.SourcesAndDest, chown, chmod string, link bool, exclude []string) M {
	docs := []any{}
	for _, d := range s.SourceContents {
		docs = append(docs, []any{d.Path, d.Data, d.Expand})
	}
	return M{"sources": strs(s.SourcePaths), "documents": docs, "to": s.DestPath, "chown": chown, "chmod": chmod, "link": link, "exclude": strs(exclude)}
}

func say(c instructions.Command) M {
	switch c := c.(type) {
	case *instructions.ArgCommand:
		return M{"arg": pairsOf(c.Args)}
	case *instructions.EnvCommand:
		return M{"env": kvs(c.Env)}
	case *instructions.LabelCommand:
		return M{"label": kvs(c.Labels)}
	case *instructions.WorkdirCommand:
		return M{"workdir": c.Path}
	case *instructions.UserCommand:
		return M{"user": c.User}
	case *instructions.ShellCommand:
		return M{"shell": strs(c.Shell)}
	case *instructions.CmdCommand:
		return M{"cmd": cmd(c.ShellDependantCmdLine)}
	case *instructions.EntrypointCommand:
		return M{"entrypoint": cmd(c.ShellDependantCmdLine)}
	case *instructions.ExposeCommand:
		p := strs(c.Ports)
		sort.Strings(p)
		return M{"expose": p}
	case *instructions.VolumeCommand:
		return M{"volume": strs(c.Volumes)}
	case *instructions.StopSignalCommand:
		return M{"stopsignal": c.Signal}
	case *instructions.HealthCheckCommand:
		h := c.Health
		return M{"health": M{"test": strs(h.Test), "interval": int64(h.Interval), "timeout": int64(h.Timeout), "start_period": int64(h.StartPeriod), "start_interval": int64(h.StartInterval), "retries": h.Retries}}
	case *instructions.OnbuildCommand:
		return M{"onbuild": c.Expression}
	case *instructions.MaintainerCommand:
		return M{"maintainer": c.Maintainer}
	case *instructions.RunCommand:
		docs := []any{}
		for _, f := range c.Files {
			docs = append(docs, []any{f.Name, f.Chomp, f.Data})
		}
		devices := []any{}
		for _, d := range instructions.GetDevices(c) {
			devices = append(devices, []any{d.Name, d.Required})
		}
		return M{"run": M{"command": cmd(c.ShellDependantCmdLine), "documents": docs, "network": string(instructions.GetNetwork(c)), "security": string(instructions.GetSecurity(c)), "devices": devices}}
	case *instructions.CopyCommand:
		m := files(c.SourcesAndDest, c.Chown, c.Chmod, c.Link, c.ExcludePatterns)
		m["parents"] = c.Parents
		return M{"copy": m}
	case *instructions.AddCommand:
		m := files(c.SourcesAndDest, c.Chown, c.Chmod, c.Link, c.ExcludePatterns)
		m["checksum"] = c.Checksum
		m["keep_git_dir"] = c.KeepGitDir
		m["unpack"] = c.Unpack
		return M{"add": m}
	}
	return M{"unknown": fmt.Sprintf("%T", c)}
}

const base = `{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/bin:/bin","FROM_BASE=yes"],"Cmd":["sh"],"WorkingDir":"/base"},"rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"]}}`

var caps = pb.Caps.CapSet(pb.Caps.All())

type resolver struct{}

func (resolver) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(base), nil
}

func plan(text string) (answer any) {
	defer func() {
		if r := recover(); r != nil {
			answer = fmt.Errorf("panic: %v", r)
		}
	}()
	p := &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	res, err := dockerfile2llb.Dockerfile2LLB(context.TODO(), []byte(text), dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildPlatforms: []ocispecs.Platform{*p}, BuildArgs: map[string]string{}},
		TargetPlatform: p,
		MetaResolver:   resolver{},
		LLBCaps:        &caps,
	})
	if err != nil {
		return err
	}
	def, err := res.State.Marshal(context.TODO(), llb.Platform(*p))
	if err != nil {
		return err
	}
	ops := map[string]*pb.Op{}
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			return err
		}
		ops[string(digest.FromBytes(dt))] = &op
	}
	runs, copies, folders := []any{}, []any{}, []any{}
	for _, op := range ops {
		from := func(in int64) string { return origin(op, in, ops) }
		if e := op.GetExec(); e != nil {
			runs = append(runs, exec(e, from))
		}
		if f := op.GetFile(); f != nil {
			for _, a := range f.Actions {
				if c := a.GetCopy(); c != nil {
					copies = append(copies, copied(op, a, c, ops))
				}
				if m := a.GetMkdir(); m != nil && m.Path != "/cache" {
					folders = append(folders, []any{path.Clean(m.Path), owner(m.Owner)})
				}
			}
		}
	}
	img := res.Image
	c := img.Config
	var health any
	if h := c.Healthcheck; h != nil {
		health = []any{strs(h.Test), int64(h.Interval), int64(h.Timeout), int64(h.StartPeriod), int64(h.StartInterval), h.Retries}
	}
	keys := func(m map[string]struct{}) []string {
		out := []string{}
		for k := range m {
			out = append(out, k)
		}
		sort.Strings(out)
		return out
	}
	labels := c.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return M{"runs": set(runs), "copies": set(copies), "folders": set(folders), "config": M{
		"author": img.Author, "user": c.User, "ports": keys(c.ExposedPorts), "env": strs(c.Env), "entrypoint": c.Entrypoint, "cmd": c.Cmd,
		"volumes": keys(c.Volumes), "workdir": path.Clean("/" + c.WorkingDir), "labels": labels, "stop_signal": c.StopSignal, "shell": c.Shell, "health": health, "on_build": strs(c.OnBuild),
	}}
}

func set(l []any) []any {
	type kv struct {
		k string
		v any
	}
	all := []kv{}
	seen := map[string]bool{}
	for _, v := range l {
		dt := plain(v)
		if !seen[string(dt)] {
			seen[string(dt)] = true
			all = append(all, kv{string(dt), v})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].k < all[j].k })
	out := []any{}
	for _, e := range all {
		out = append(out, e.v)
	}
	return out
}

// plain is JSON without escapes that only HTML needs: what both sides sort by.
func plain(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func origin(op *pb.Op, in int64, ops map[string]*pb.Op) string {
	if in < 0 {
		return "nothing"
	}
	src := ops[op.Inputs[in].Digest]
	if s := src.GetSource(); s != nil {
		id := s.Identifier
		if strings.HasPrefix(id, "docker-image://") {
			p := src.Platform
			v := ""
			if p.Variant != "" {
				v = "/" + p.Variant
			}
			name := strings.TrimPrefix(id, "docker-image://")
			if ref, err := reference.ParseNormalizedNamed(name); err == nil {
				name = reference.FamiliarString(ref)
			}
			return "image " + name + " " + p.OS + "/" + p.Architecture + v
		}
		if strings.HasPrefix(id, "http") {
			sum := s.Attrs["http.checksum"]
			if sum != "" {
				sum = " " + sum
			}
			return id + sum
		}
		if strings.HasPrefix(id, "git://") {
			return "git"
		}
		return id
	}
	if f := src.GetFile(); f != nil && len(f.Actions) == 1 && len(src.Inputs) == 0 {
		if m := f.Actions[0].GetMkfile(); m != nil {
			return "document " + string(m.Data)
		}
	}
	return "step"
}

func owner(o *pb.ChownOpt) string {
	if o == nil {
		return ""
	}
	one := func(u *pb.UserOpt) string {
		if u == nil {
			return ""
		}
		if n := u.GetByName(); n != nil {
			return n.Name
		}
		return fmt.Sprint(u.GetByID())
	}
	s := one(o.User)
	if g := one(o.Group); g != "" {
		s += ":" + g
	}
	return s
}

func copied(op *pb.Op, a *pb.FileAction, c *pb.FileActionCopy, ops map[string]*pb.Op) M {
	mode := ""
	if c.ModeStr != "" {
		mode = c.ModeStr
	} else if c.Mode != -1 {
		mode = fmt.Sprintf("%o", c.Mode)
	}
	in := a.SecondaryInput
	from := "step"
	if in < int64(len(op.Inputs)) {
		from = origin(op, in, ops)
	}
	dest := c.Dest
	if strings.HasSuffix(dest, "/.") {
		dest = strings.TrimSuffix(dest, ".")
	}
	if dest != "/" {
		folder := strings.HasSuffix(dest, "/")
		dest = path.Clean(dest)
		if folder && dest != "/" {
			dest += "/"
		}
	}
	return M{"from": from, "src": path.Clean("/" + c.Src), "dest": dest, "owner": owner(c.Owner), "mode": mode, "unpack": c.AttemptUnpackDockerCompatibility, "include": strs(c.IncludePatterns), "exclude": strs(c.ExcludePatterns)}
}

func exec(e *pb.ExecOp, from func(int64) string) M {
	env := strs(e.Meta.Env)
	sort.Strings(env)
	var script any
	mounts := []any{}
	for _, m := range e.Mounts {
		if m.Dest == "/" {
			continue
		}
		own := func(uid, gid, mode uint32) []any { return []any{uid, gid, mode} }
		sel := path.Clean("/" + m.Selector)
		switch m.MountType {
		case pb.MountType_CACHE:
			mounts = append(mounts, []any{"cache", strings.TrimPrefix(m.CacheOpt.ID, "/"), from(m.Input), sel, path.Clean(m.Dest), m.CacheOpt.Sharing.String(), !m.Readonly})
		case pb.MountType_TMPFS:
			var size int64
			if m.TmpfsOpt != nil {
				size = m.TmpfsOpt.Size
			}
			mounts = append(mounts, []any{"tmpfs", path.Clean(m.Dest), size})
		case pb.MountType_SECRET:
			s := m.SecretOpt
			mounts = append(mounts, []any{"secret", s.ID, m.Dest, nil, !s.Optional, own(s.Uid, s.Gid, s.Mode)})
		case pb.MountType_SSH:
			s := m.SSHOpt
			id, dest := s.ID, any(m.Dest)
			if id == "" {
				id = "default"
			}
			if strings.HasPrefix(m.Dest, "/run/buildkit/ssh_agent.") {
				dest = nil
				env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, "SSH_AUTH_SOCK=") })
			}
			mounts = append(mounts, []any{"ssh", id, dest, !s.Optional, own(s.Uid, s.Gid, s.Mode)})
		default:
			f := from(m.Input)
			if m.Dest == "/dev/pipes/" {
				script = []any{e.Meta.Args[len(e.Meta.Args)-1], strings.TrimPrefix(f, "document ")}
				continue
			}
			mounts = append(mounts, []any{"bind", f, sel, path.Clean(m.Dest), !m.Readonly})
		}
	}
	for _, s := range e.Secretenv {
		mounts = append(mounts, []any{"secret", s.ID, nil, s.Name, !s.Optional, []any{0, 0, 0o400}})
	}
	sort.Slice(mounts, func(i, j int) bool { return string(plain(mounts[i])) < string(plain(mounts[j])) })
	return M{"args": e.Meta.Args, "script": script, "env": env, "cwd": path.Clean(e.Meta.Cwd), "user": e.Meta.User, "network": e.Network.String(), "mounts": mounts}
}
