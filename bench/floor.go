package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"os"
	"strings"
	"sync"
)

// A floor is the least that a program can do: what batch takes beyond it is the
// price of claims, templates, pacing and results.

// sendFloor posts each line of a file with inFlight goroutines, reads the
// answers and keeps nothing.
func sendFloor(url, path string, inFlight int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	c := floorClient(inFlight)
	bodies, errs := make(chan []byte, inFlight), make(chan error, inFlight)
	var senders sync.WaitGroup
	for range inFlight {
		senders.Go(func() {
			for body := range bodies {
				if err := post(c, url, body); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		bodies <- bytes.Clone(lines.Bytes())
	}
	close(bodies)
	senders.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return lines.Err()
	}
}

func floorClient(inFlight int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight, MaxIdleConns: inFlight}}
}

func post(c *http.Client, url string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer bench-access-token")
	req.Header.Set("Content-Type", "application/json")
	_, err = exchange(c, req)
	return err
}

// exchange returns the body of an answer that is a success.
func exchange(c *http.Client, req *http.Request) ([]byte, error) {
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", req.Method, req.URL.Path, resp.Status)
	}
	return body, err
}

// listFloor downloads a list page by page and keeps nothing. first is the URL
// of the first page; it has a query.
func listFloor(first, tokenURL, keyID, keySecret string) error {
	c := floorClient(1)
	token, err := accessToken(c, tokenURL, keyID, keySecret)
	if err != nil {
		return err
	}
	for url := first; ; {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		page, err := exchange(c, req)
		if err != nil {
			return err
		}
		next := nextPage(page)
		if next == "" {
			return nil
		}
		url = first + "&page_token=" + neturl.QueryEscape(next)
	}
}

// accessToken asks for a token, for basic authentication is limited.
func accessToken(c *http.Client, url, keyID, keySecret string) (string, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(keyID, keySecret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, err := exchange(c, req)
	if err != nil {
		return "", err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	return answer.AccessToken, json.Unmarshal(body, &answer)
}

// nextPage finds the token at the end of a page without looking at the rest.
func nextPage(page []byte) string {
	const key = `"next_page_token":`
	at := bytes.LastIndex(page, []byte(key))
	if at < 0 {
		return ""
	}
	var token string
	_ = json.NewDecoder(bytes.NewReader(page[at+len(key):])).Decode(&token) // a page without one is the last
	return token
}
