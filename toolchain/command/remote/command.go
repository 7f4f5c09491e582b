// Package remote runs commands on another machine, and copies files to it, over ssh.
package remote

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"

	"pgpool-lab/toolchain/command/common"
)

// grace is how long a command that is told to end may take to do so.
const grace = 5 * time.Second

// Command is the resource `command:remote:Command`.
type Command struct{}

// Inputs of a remote command.
type Inputs struct {
	common.Actions
	common.Options
	Connection Connection `pulumi:"connection" provider:"secret"`
}

// State is what the engine keeps of a remote command.
type State struct {
	Inputs
	common.Outputs
}

// Create runs `create`.
func (*Command) Create(
	ctx context.Context, request infer.CreateRequest[Inputs],
) (infer.CreateResponse[State], error) {
	state := State{Inputs: request.Inputs}
	id, err := resource.NewUniqueHex(request.Name, 8, 0)
	if err == nil && !request.DryRun {
		err = state.run(ctx, request.Inputs.Create)
	}
	return infer.CreateResponse[State]{ID: id, Output: state}, err
}

// Update runs `update`, or else `create` again.
func (*Command) Update(
	ctx context.Context, request infer.UpdateRequest[Inputs, State],
) (infer.UpdateResponse[State], error) {
	state := State{Inputs: request.Inputs, Outputs: request.State.Outputs}
	var err error
	if !request.DryRun {
		err = state.run(ctx, request.Inputs.OnUpdate())
	}
	return infer.UpdateResponse[State]{Output: state}, err
}

// Delete runs `delete` over the connection that the state knows.
func (*Command) Delete(ctx context.Context, request infer.DeleteRequest[State]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, request.State.run(ctx, request.State.Delete)
}

// run runs a text, where there is one, and takes its outputs into the state.
func (state *State) run(ctx context.Context, text *string) error {
	if text == nil {
		return nil
	}
	client, err := state.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	if err := state.setEnvironment(ctx, session); err != nil {
		return err
	}
	if state.Stdin != nil {
		session.Stdin = strings.NewReader(*state.Stdin)
	}
	outputs, err := common.Run(ctx, state.Logging, func(stdout, stderr io.Writer) error {
		session.Stdout, session.Stderr = stdout, stderr
		return runUntil(ctx, client, session, *text)
	})
	if err == nil {
		state.Outputs = outputs
	}
	return err
}

// setEnvironment fails for a variable that the user wants and sshd refuses, and only warns about one that merely
// tells of the previous run.
func (state *State) setEnvironment(ctx context.Context, session *ssh.Session) error {
	for name, value := range state.Environment {
		if err := session.Setenv(name, value); err != nil {
			return refused(name, err)
		}
	}
	for name, value := range state.PreviousOutput(state.Outputs) {
		if err := session.Setenv(name, value); err != nil {
			provider.GetLogger(ctx).Warning(refused(name, err).Error())
		}
	}
	return nil
}

func refused(name string, cause error) error {
	return fmt.Errorf("the remote sshd takes no variable %s (its AcceptEnv must name it): %w", name, cause)
}

// runUntil runs a text; when the context ends, the command is told to end and the connection is closed.
func runUntil(ctx context.Context, client *ssh.Client, session *ssh.Session, text string) error {
	if err := session.Start(text); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// Whatever happens to the attempt to end it, the connection is closed in the end.
	defer time.AfterFunc(grace, func() { _ = client.Close() }).Stop()
	end(client)
	<-ended
	return ctx.Err()
}

// endOthers is run in a second session of the same connection: both shells are children of one process of sshd, and
// each leads a process group. (The protocol's own signal request is refused by OpenSSH for root.)
const endOthers = `exec /bin/sh -c '
for process in /proc/[0-9]*; do
	read -r line 2>/dev/null <"$process/stat" || continue
	set -- ${line##*) }
	if [ "$2" = "$PPID" ] && [ "$3" != "$$" ]; then kill -TERM "-$3"; fi
done'`

// end tells the connection's commands, with their children, to end.
func end(client *ssh.Client) {
	session, err := client.NewSession()
	if err != nil {
		return
	}
	defer session.Close()
	_ = session.Run(endOthers)
}
