package jobs

import yaml "go.yaml.in/yaml/v4"

// NamesIn returns the names of the jobs in a job file, in its order, whatever
// else is wrong with it and whichever variables are set: a shell completes them.
// There are none in a file that can not be read.
func NamesIn(path string) []string {
	src, problem := readSource(path)
	if problem != nil {
		return nil
	}
	tree, _ := readTree(src)
	if tree == nil {
		return nil
	}
	_, jobs := pair(tree.root, "jobs")
	if jobs == nil || jobs.Kind != yaml.MappingNode {
		return nil
	}
	var names []string
	for i := 0; i < len(jobs.Content); i += 2 {
		if name := jobs.Content[i].Value; jobName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}
