// Package remote runs commands on another machine over ssh.
package remote

import (
	"context"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"

	"pgpool-lab/toolchain/command/common"
)

// Command is the resource `command:remote:Command`.
type Command struct{}

// Annotate gives the resource its token.
func (command *Command) Annotate(annotator infer.Annotator) { annotator.SetToken("remote", "Command") }

// Inputs of a remote command.
type Inputs struct {
	common.Inputs
	Connection Connection `pulumi:"connection" provider:"secret"`
}

// State is what the engine keeps of a remote command.
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
	id, err := resource.NewUniqueHex("remote-command-", 8, 0)
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

// Delete runs `delete` where there is one, over the connection that the state knows.
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
	client, err := inputs.Connection.dial(ctx)
	if err != nil {
		return common.Outputs{}, err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return common.Outputs{}, err
	}
	defer session.Close()
	for name, value := range inputs.Variables(previous) {
		if err := session.Setenv(name, value); err != nil {
			return common.Outputs{}, &environmentError{name, err}
		}
	}
	if inputs.Stdin != nil {
		session.Stdin = strings.NewReader(*inputs.Stdin)
	}
	stdout := common.NewCapture(ctx, inputs.Logs("stdout"))
	stderr := common.NewCapture(ctx, inputs.Logs("stderr"))
	session.Stdout, session.Stderr = stdout, stderr
	// A cancelled update closes the connection, which ends the remote command's session.
	stop := context.AfterFunc(ctx, func() {
		_ = session.Signal(ssh.SIGTERM)
		_ = client.Close()
	})
	defer stop()
	err = session.Run(*text)
	outputs := common.Outputs{Stdout: stdout.Close(), Stderr: stderr.Close()}
	if ctx.Err() != nil {
		return outputs, ctx.Err()
	}
	if err != nil {
		return outputs, common.Failed(err, outputs)
	}
	return outputs, nil
}
