package local

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"pgpool-lab/toolchain/command/common"
)

// grace is how long a command that is told to end may take to do so.
const grace = 5 * time.Second

// Options of a local command.
type Options struct {
	common.Options
	Interpreter *[]string `pulumi:"interpreter,optional"`
	Dir         *string   `pulumi:"dir,optional"`
}

func (options Options) run(ctx context.Context, text string, previous common.Outputs) (common.Outputs, error) {
	interpreter := []string{"/bin/sh", "-c"}
	if options.Interpreter != nil && len(*options.Interpreter) > 0 {
		interpreter = *options.Interpreter
	}
	arguments := append(append([]string{}, interpreter[1:]...), text)
	process := exec.CommandContext(ctx, interpreter[0], arguments...)
	// In a process group of its own, so that a cancelled update ends the command's children with it.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.Cancel = func() error { return syscall.Kill(-process.Process.Pid, syscall.SIGTERM) }
	process.WaitDelay = grace
	process.Env = os.Environ()
	for _, variables := range []map[string]string{options.Environment, options.PreviousOutput(previous)} {
		for name, value := range variables {
			process.Env = append(process.Env, name+"="+value)
		}
	}
	if options.Dir != nil {
		process.Dir = *options.Dir
	}
	if options.Stdin != nil {
		process.Stdin = strings.NewReader(*options.Stdin)
	}
	return common.Run(ctx, options.Logging, func(stdout, stderr io.Writer) error {
		process.Stdout, process.Stderr = stdout, stderr
		err := process.Run()
		if ctx.Err() != nil && process.Process != nil {
			_ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL)
		}
		return err
	})
}
