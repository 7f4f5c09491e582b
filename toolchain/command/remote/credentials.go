package remote

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// clientConfig gathers the credentials, and returns what closes the way to the agent.
func (endpoint Endpoint) clientConfig() (*ssh.ClientConfig, func(), error) {
	config := &ssh.ClientConfig{
		User: value(endpoint.User, defaultUser),
		// Without a key there is nothing to compare with.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	}
	if endpoint.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*endpoint.HostKey))
		if err != nil {
			return nil, nil, fmt.Errorf("hostKey: %w", err)
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
		config.HostKeyAlgorithms = []string{key.Type()}
	}
	if endpoint.PrivateKey != nil {
		signer, err := endpoint.signer()
		if err != nil {
			return nil, nil, fmt.Errorf("privateKey: %w", err)
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if endpoint.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*endpoint.Password), endpoint.answers())
	}
	socket := value(endpoint.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK"))
	if socket == "" {
		return config, func() {}, nil
	}
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("ssh agent: %w", err)
	}
	config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(connection).Signers))
	return config, func() { _ = connection.Close() }, nil
}

func (endpoint Endpoint) signer() (ssh.Signer, error) {
	if endpoint.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*endpoint.PrivateKey), []byte(*endpoint.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*endpoint.PrivateKey))
}

// answers gives the password to a server that asks for it as a question.
func (endpoint Endpoint) answers() ssh.AuthMethod {
	return ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for index := range answers {
			answers[index] = *endpoint.Password
		}
		return answers, nil
	})
}
