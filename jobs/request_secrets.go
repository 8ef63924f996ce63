package jobs

import (
	"fmt"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// warnOfSecrets warns of secrets in a request that come from elsewhere than the
// environment. What a column holds is kept with the input of the run.
func (r RequestNode) warnOfSecrets(c *Checker, key string) {
	if r.node != nil {
		warnOfSecretsIn(c, r.node, key, false)
	}
}

func warnOfSecretsIn(c *Checker, n *yaml.Node, path string, credentials bool) {
	switch n.Kind {
	case yaml.SequenceNode:
		for i, item := range n.Content {
			warnOfSecretsIn(c, item, fmt.Sprintf("%s[%d]", path, i), credentials)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i].Value, n.Content[i+1]
			secret := secretName(key)
			if (secret || credentials && strings.HasSuffix(plainName(key), "key")) && value.Kind == yaml.ScalarNode && !isNull(value) {
				warnOfSecret(c, value, join(path, key))
				continue
			}
			warnOfSecretsIn(c, value, join(path, key), credentials || secret)
		}
	}
}

func warnOfSecret(c *Checker, n *yaml.Node, path string) {
	switch {
	case strings.Contains(n.Value, "{{"):
		c.Warn(path, "the secret comes from the input, of which a copy is kept while the run lasts and after it: use a variable, as in ${WEBHOOK_SECRET}")
	case !onlyVariables(n.Value):
		c.Warn(path, "the secret stands in the file: use a variable, as in ${WEBHOOK_SECRET}")
	}
}
