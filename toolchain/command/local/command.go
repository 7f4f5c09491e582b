// Package local runs commands on the machine that runs Pulumi.
package local

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"pgpool-lab/toolchain/command/common"
)

// Command is the resource `command:local:Command`.
type Command struct{}

// Annotate gives the resource its token.
func (command *Command) Annotate(annotator infer.Annotator) { annotator.SetToken("local", "Command") }

// Inputs of a local command.
type Inputs struct {
	common.Inputs
	Interpreter []string `pulumi:"interpreter,optional"`
	Dir         *string  `pulumi:"dir,optional"`
}

// State is what the engine keeps of a local command.
type State struct {
	Inputs
	common.Outputs
}

// Create runs `create`.
func (command *Command) Create(
	ctx context.Context, request infer.CreateRequest[Inputs],
) (infer.CreateResponse[State], error) {
	state := State{Inputs: request.Inputs}
	if request.DryRun {
		return infer.CreateResponse[State]{Output: state}, nil
	}
	id, err := resource.NewUniqueHex("local-command-", 8, 0)
	if err != nil {
		return infer.CreateResponse[State]{}, err
	}
	state.Outputs, err = run(ctx, request.Inputs, request.Inputs.Create, nil)
	return infer.CreateResponse[State]{ID: id, Output: state}, err
}

// Update runs `update`, or else `create` again.
func (command *Command) Update(
	ctx context.Context, request infer.UpdateRequest[Inputs, State],
) (infer.UpdateResponse[State], error) {
	state := State{Inputs: request.Inputs, Outputs: request.State.Outputs}
	if request.DryRun {
		return infer.UpdateResponse[State]{Output: state}, nil
	}
	outputs, err := run(ctx, request.Inputs, request.Inputs.OnUpdate(), &request.State.Outputs)
	state.Outputs = outputs
	return infer.UpdateResponse[State]{Output: state}, err
}

// Delete runs `delete` where there is one.
func (command *Command) Delete(
	ctx context.Context, request infer.DeleteRequest[State],
) (infer.DeleteResponse, error) {
	if request.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	_, err := run(ctx, request.State.Inputs, request.State.Delete, &request.State.Outputs)
	return infer.DeleteResponse{}, err
}

func run(ctx context.Context, inputs Inputs, text *string, previous *common.Outputs) (common.Outputs, error) {
	if text == nil {
		return common.Outputs{}, nil
	}
	interpreter := inputs.Interpreter
	if len(interpreter) == 0 {
		interpreter = []string{"/bin/sh", "-c"}
	}
	process := exec.CommandContext(ctx, interpreter[0], append(interpreter[1:], *text)...)
	// A process group of its own, so that a cancelled update ends the command's children as well.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.Cancel = func() error { return syscall.Kill(-process.Process.Pid, syscall.SIGTERM) }
	process.WaitDelay = 10 * time.Second
	process.Env = os.Environ()
	for name, value := range inputs.Variables(previous) {
		process.Env = append(process.Env, name+"="+value)
	}
	if inputs.Dir != nil {
		process.Dir = *inputs.Dir
	}
	if inputs.Stdin != nil {
		process.Stdin = strings.NewReader(*inputs.Stdin)
	}
	stdout := common.NewCapture(ctx, inputs.Logs("stdout"))
	stderr := common.NewCapture(ctx, inputs.Logs("stderr"))
	process.Stdout, process.Stderr = stdout, stderr
	err := process.Run()
	outputs := common.Outputs{Stdout: stdout.Close(), Stderr: stderr.Close()}
	if err != nil {
		return outputs, common.Failed(err, outputs)
	}
	return outputs, nil
}
