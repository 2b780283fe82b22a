// SPDX-License-Identifier: Apache-2.0

// Go: goroutines, channels, timers, contexts. Usage: gobench BENCH [THREADS] [PRODUCERS]
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func emit(bench, param string, value float64, unit string) {
	fmt.Printf("%s,go,%s,%.4g,%s\n", bench, param, value, unit)
}

func emitPer(bench, param string, t0 time.Time, n int, unit string) {
	emit(bench, param, float64(time.Since(t0).Nanoseconds())/float64(n), unit)
}

func emitLatency(bench, param string, v []int64) {
	sort.Slice(v, func(i, j int) bool { return v[i] < v[j] })
	emit(bench+".p50", param, float64(v[len(v)/2]), "ns")
	emit(bench+".p99", param, float64(v[int(float64(len(v))*0.99)]), "ns")
}

func jobs(otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("BN")); err == nil {
		return n
	}
	return otherwise
}

func residentBytes() float64 {
	var size, resident float64
	f, err := os.Open("/proc/self/statm")
	if err != nil {
		return 0
	}
	defer f.Close()
	fmt.Fscan(f, &size, &resident)
	return resident * 4096
}

var random uint32 = 2463534242

func farSpan() time.Duration {
	random ^= random << 13
	random ^= random >> 17
	random ^= random << 5
	return time.Duration(1000+random%60000) * time.Millisecond
}

var count int64

// One goroutine per job, and a WaitGroup.
func poolFF(t, prod int) {
	n := jobs(1000000)
	param := fmt.Sprintf("t=%d;goroutine", t)
	var wg sync.WaitGroup
	t0 := time.Now()
	wg.Add(n)
	for i := 0; i < n; i++ {
		go func() { wg.Done() }()
	}
	submitted := time.Now()
	wg.Wait()
	emitPer("pool.ff", param, t0, n, "ns/job")
	emit("pool.ff.submit", param, float64(submitted.Sub(t0).Nanoseconds())/float64(n), "ns/job")
}

// t workers, fed by a buffered channel.
func poolChan(t, prod int) {
	n := jobs(1000000)
	ch := make(chan func(), 1024)
	var wg sync.WaitGroup
	for i := 0; i < t; i++ {
		wg.Add(1)
		go func() {
			for f := range ch {
				f()
			}
			wg.Done()
		}()
	}
	job := func() { atomic.AddInt64(&count, 1) }
	t0 := time.Now()
	for i := 0; i < n; i++ {
		ch <- job
	}
	close(ch)
	wg.Wait()
	emitPer("pool.ff", fmt.Sprintf("t=%d;chan1024-workers", t), t0, n, "ns/job")
}

// A future: a channel of capacity 1.
func submit(i int) chan int {
	c := make(chan int, 1)
	go func() { c <- i }()
	return c
}

func poolFut(t, prod int) {
	n := jobs(1000000)
	futures := make([]chan int, n)
	sum := 0
	t0 := time.Now()
	for i := range futures {
		futures[i] = submit(i)
	}
	for _, c := range futures {
		sum += <-c
	}
	emitPer("pool.fut", fmt.Sprintf("t=%d;goroutine+chan1", t), t0, n, "ns/job")
	if sum != n*(n-1)/2 {
		panic("a result is wrong")
	}
}

// At most 1024 in flight.
func poolFutw(t, prod int) {
	n := jobs(1000000)
	futures := make([]chan int, 1024)
	t0 := time.Now()
	for i := 0; i < n; i++ {
		if c := futures[i&1023]; c != nil {
			<-c
		}
		futures[i&1023] = submit(i)
	}
	for _, c := range futures {
		if c != nil {
			<-c
		}
	}
	emitPer("pool.futw", fmt.Sprintf("t=%d;goroutine+chan1", t), t0, n, "ns/job")
}

func poolMP(t, prod int) {
	each := jobs(1000000) / prod
	var wg sync.WaitGroup
	wg.Add(each * prod)
	t0 := time.Now()
	for p := 0; p < prod; p++ {
		go func() {
			for i := 0; i < each; i++ {
				go func() { wg.Done() }()
			}
		}()
	}
	wg.Wait()
	emitPer("pool.mp", fmt.Sprintf("t=%d;prod=%d", t, prod), t0, each*prod, "ns/job")
}

func treeNode(wg *sync.WaitGroup, depth int) {
	atomic.AddInt64(&count, 1)
	if depth > 0 {
		wg.Add(2)
		go treeNode(wg, depth-1)
		go treeNode(wg, depth-1)
	}
	wg.Done()
}

func tree(t, prod int) {
	var wg sync.WaitGroup
	wg.Add(1)
	t0 := time.Now()
	go treeNode(&wg, 19)
	wg.Wait()
	emitPer("pool.tree", fmt.Sprintf("t=%d", t), t0, 1<<20-1, "ns/job")
}

// t consumers.
func queue(t, prod int) {
	each := jobs(1000000) / prod
	ch := make(chan int, 1024)
	var producers, consumers sync.WaitGroup
	t0 := time.Now()
	for i := 0; i < t; i++ {
		consumers.Add(1)
		go func() {
			for range ch {
			}
			consumers.Done()
		}()
	}
	for p := 0; p < prod; p++ {
		producers.Add(1)
		go func() {
			for i := 0; i < each; i++ {
				ch <- i
			}
			producers.Done()
		}()
	}
	producers.Wait()
	close(ch)
	consumers.Wait()
	emitPer("queue.bounded", fmt.Sprintf("prod=%d;cons=%d;cap=1024", prod, t), t0, each*prod, "ns/item")
}

func roundTrips(bench, param string, n int, idle bool) {
	v := make([]int64, n)
	for i := -100; i < n; i++ {
		if idle {
			time.Sleep(200 * time.Microsecond)
		}
		t0 := time.Now()
		<-submit(1)
		if i >= 0 {
			v[i] = time.Since(t0).Nanoseconds()
		}
	}
	emitLatency(bench, param, v)
}

// The main goroutine is locked to its thread: "a plain thread".
func rtt(t, prod int) {
	runtime.LockOSThread()
	param := fmt.Sprintf("t=%d;LockOSThread", t)
	roundTrips("rtt.hot", param, 20000, false)
	roundTrips("rtt.idle", param, 2000, true)
}

// Goroutine to goroutine.
func rttCo(t, prod int) {
	param := fmt.Sprintf("t=%d;goroutine", t)
	roundTrips("rttloop.hot", param, 100000, false)
	roundTrips("rttloop.idle", param, 2000, true)
}

func coSwitch(t, prod int) {
	runtime.GOMAXPROCS(1)
	n := 2000000
	done := make(chan bool)
	t0 := time.Now()
	for j := 0; j < 2; j++ {
		go func() {
			for i := 0; i < n; i++ {
				runtime.Gosched()
			}
			done <- true
		}()
	}
	<-done
	<-done
	emitPer("co.switch", "kind=Gosched-2", t0, 2*n, "ns")

	there, back := make(chan int), make(chan int)
	go func() {
		for x := range there {
			back <- x
		}
	}()
	n = 1000000
	t0 = time.Now()
	for i := 0; i < n; i++ {
		there <- i
		<-back
	}
	emitPer("co.chan_rt", "cap=0", t0, n, "ns")
}

func coCreate(t, prod int) {
	runtime.GOMAXPROCS(1)
	n := 1000000
	c := make(chan bool, 1)
	t0 := time.Now()
	for i := 0; i < n; i++ {
		go func() { c <- true }()
		<-c
	}
	emitPer("co.create", "kind=go+chan1", t0, n, "ns")
}

func coMem(t, prod int) {
	runtime.GOMAXPROCS(1)
	n := jobs(1000000)
	param := fmt.Sprintf("n=%d", n)
	gate := make(chan bool)
	var up, down sync.WaitGroup
	before := residentBytes()
	t0 := time.Now()
	up.Add(n)
	down.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			up.Done()
			<-gate
			down.Done()
		}()
	}
	up.Wait()
	runtime.Gosched()
	took := time.Since(t0)
	emit("co.mem", param, (residentBytes()-before)/float64(n), "bytes/co")
	emit("co.park", param, float64(took.Nanoseconds())/float64(n), "ns/co")
	t0 = time.Now()
	close(gate)
	down.Wait()
	emitPer("co.wake_all", param, t0, n, "ns/co")
}

func timer(t, prod int) {
	const standing, due = 10000, 100000
	n := jobs(1000000)
	if n < due {
		n = due
	}
	timers := make([]*time.Timer, n)
	fired := func() { atomic.AddInt64(&count, 1) }
	t0 := time.Now()
	for i := range timers {
		timers[i] = time.AfterFunc(farSpan(), fired)
	}
	for i := range timers {
		timers[i].Stop()
	}
	emitPer("timer.insert_cancel", fmt.Sprintf("n=%d", n), t0, n, "ns")

	for i := 0; i < standing; i++ {
		timers[i] = time.AfterFunc(farSpan(), fired)
	}
	t0 = time.Now()
	for i := standing; i < n; i++ {
		time.AfterFunc(farSpan(), fired).Stop()
	}
	emitPer("timer.churn", "pop=10000", t0, n-standing, "ns")

	// There is no turn of a loop to time: from the common deadline until all have fired.
	var wg sync.WaitGroup
	wg.Add(due)
	deadline := time.Now().Add(200 * time.Millisecond)
	for i := 0; i < due; i++ {
		time.AfterFunc(time.Until(deadline), wg.Done)
	}
	late := time.Since(deadline) >= 0
	wg.Wait()
	if !late {
		emitPer("timer.fire_due", "n=100000;from-deadline", deadline, due, "ns")
	}
}

func cancel(t, prod int) {
	v := make([]int64, 1000)
	for i := range v {
		ctx, cancel := context.WithCancel(context.Background())
		up, returned := make(chan bool), make(chan time.Time, 1)
		go func() {
			up <- true
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			returned <- time.Now()
		}()
		<-up
		time.Sleep(200 * time.Microsecond)
		t0 := time.Now()
		cancel()
		v[i] = (<-returned).Sub(t0).Nanoseconds()
	}
	emitLatency("cancel.blocking_job", "context+select", v)
}

func cmd(t, prod int) {
	t0 := time.Now()
	ch := make(chan bool, 1000)
	for i := 0; i < 1000; i++ {
		ch <- true
	}
	close(ch)
	var wg sync.WaitGroup
	for j := 0; j < t; j++ {
		wg.Add(1)
		go func() {
			for range ch {
				exec.Command("/bin/true").Run()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	emit("cmd.1000true", fmt.Sprintf("j=%d", t), float64(time.Since(t0).Nanoseconds())/1e6, "ms")
}

func main() {
	all := map[string]func(t, prod int){
		"pool_ff": poolFF, "pool_chan": poolChan, "pool_fut": poolFut, "pool_futw": poolFutw, "pool_mp": poolMP,
		"tree": tree, "queue": queue, "rtt": rtt, "rtt_co": rttCo, "co_switch": coSwitch, "co_create": coCreate,
		"co_mem": coMem, "timer": timer, "cancel": cancel, "cmd": cmd,
	}
	number := func(i, otherwise int) int {
		if len(os.Args) > i {
			if n, err := strconv.Atoi(os.Args[i]); err == nil {
				return n
			}
		}
		return otherwise
	}
	var run func(t, prod int)
	if len(os.Args) > 1 {
		run = all[os.Args[1]]
	}
	if run == nil {
		os.Exit(2)
	}
	t := number(2, 2)
	runtime.GOMAXPROCS(t)
	run(t, number(3, 2))
}
