package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
)

// Connection says how to reach a machine.
type Connection struct {
	Host               string  `pulumi:"host"`
	Port               *int    `pulumi:"port,optional"`
	User               *string `pulumi:"user,optional"`
	Password           *string `pulumi:"password,optional"`
	PrivateKey         *string `pulumi:"privateKey,optional"`
	PrivateKeyPassword *string `pulumi:"privateKeyPassword,optional"`
	HostKey            *string `pulumi:"hostKey,optional"`
	DialErrorLimit     *int    `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int    `pulumi:"perDialTimeout,optional"`
}

// Annotate documents the defaults, which are the published plugin's.
func (connection *Connection) Annotate(annotator infer.Annotator) {
	annotator.SetDefault(&connection.Port, 22)
	annotator.SetDefault(&connection.User, "root")
	annotator.SetDefault(&connection.DialErrorLimit, 10)
	annotator.SetDefault(&connection.PerDialTimeout, 15)
}

const (
	firstPause = 100 * time.Millisecond
	longest    = 5 * time.Second
	growth     = 1.5
)

var errHostKey = errors.New("the host key is not the expected one")

type environmentError struct {
	name  string
	cause error
}

func (failure *environmentError) Error() string {
	return fmt.Sprintf("could not set %s on the remote machine (does its sshd accept it?): %v", failure.name, failure.cause)
}

// dial connects, with a growing pause between attempts; a wrong host key or a rejected login is tried again as well,
// as the published plugin does, since a machine that is just being set up may answer wrongly at first.
func (connection Connection) dial(ctx context.Context) (*ssh.Client, error) {
	config, err := connection.clientConfig()
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(connection.Host, strconv.Itoa(value(connection.Port, 22)))
	limit := value(connection.DialErrorLimit, 10)
	pause := firstPause
	for attempt := 1; ; attempt++ {
		client, err := ssh.Dial("tcp", address, config)
		if err == nil {
			return client, nil
		}
		if errors.Is(err, errHostKey) {
			return nil, err
		}
		if limit > -1 && attempt > limit {
			return nil, fmt.Errorf("after %d failed attempts: %w", attempt, err)
		}
		provider.GetLogger(ctx).DebugStatusf("dial %d/%d failed: %v", attempt, limit, err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(time.Duration(float64(pause)*growth), longest)
	}
}

func (connection Connection) clientConfig() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{
		User:            value(connection.User, "root"),
		Timeout:         time.Duration(value(connection.PerDialTimeout, 15)) * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // without hostKey there is nothing to compare with
	}
	if connection.HostKey != nil {
		expected, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*connection.HostKey))
		if err != nil {
			return nil, fmt.Errorf("hostKey: %w", err)
		}
		config.HostKeyAlgorithms = []string{expected.Type()}
		config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if !bytes.Equal(key.Marshal(), expected.Marshal()) {
				return errHostKey
			}
			return nil
		}
	}
	if connection.PrivateKey != nil {
		signer, err := connection.signer()
		if err != nil {
			return nil, fmt.Errorf("privateKey: %w", err)
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if connection.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*connection.Password))
	}
	return config, nil
}

func (connection Connection) signer() (ssh.Signer, error) {
	if connection.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*connection.PrivateKey), []byte(*connection.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*connection.PrivateKey))
}

func value[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}
