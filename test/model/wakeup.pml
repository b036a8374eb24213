/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wake-up protocol of one wait context: provider/waiter.c, async.c and
 * offload.c. Two operations follow one another on it, the second perhaps after
 * the first was abandoned.
 *
 *   proctype App         the application's thread with the job: async_begin,
 *                        wait_in_job, async_end; offload_free (async_abandon);
 *                        ASYNC_WAIT_CTX_free (cleanup -> waiter_kill)
 *   proctype Completion  request_finish -> async_complete, once per operation
 *
 * What must hold:
 *   no lost wake-up      a paused job whose application waits for the fd is
 *                        woken: otherwise the model stops there, which spin
 *                        reports as an invalid end state
 *   no use after free    the assertions on *_alive
 *   no double release    the assertions in the unref macros
 *   no stray signal      none for an operation that was abandoned before it was
 *                        done, and at most one for each pause
 *   no self-wake loop    a resumed job that finds nothing done is not woken
 *                        again by the same signal: assertion at `early`
 *
 * A guard of the code can be taken out by defining one of NO_WINDOW, NO_REF,
 * NO_ABANDON, NO_SETTLE, CLEAR_LATE, SIGNAL_FIRST, BLIND_PAUSE: each makes a
 * property fail, see wakeup.sh.
 */
#define OPS 2

mtype = {RUNNING, PAUSED, DONE, ABANDONED}; /* enum flight_state */
mtype = {IDLE, NOTIFYING, DEAD};            /* the waiter's window */

mtype state[OPS];
byte flight_refs[OPS]; /* job's (or context's) and device's */
bool flight_alive[OPS];
bool in_flight[OPS];
bool abandoned[OPS];
bool holds[OPS]; /* flight.waiter is a reference */

mtype window = IDLE;
bool wctx_alive = true;
bool waiter_alive = true;
byte waiter_refs = 1; /* the wait context's */
bool fd;              /* the eventfd is readable */
bool written;         /* waiter.written */
byte signals, pauses;
byte early; /* resumptions of one operation by fd */
byte left;  /* operations abandoned */
bool spurious_left = true;

inline waiter_ref() {
    atomic {
        assert(waiter_alive);
        waiter_refs++
    }
}

inline waiter_unref() {
    atomic {
        assert(waiter_refs > 0);
        waiter_refs--;
        if
        :: waiter_refs == 0 -> assert(waiter_alive); waiter_alive = false
        :: else
        fi
    }
}

/* hw_request_unref; async_fini with the last. */
inline flight_unref(n) {
    atomic {
        assert(flight_refs[n] > 0);
        flight_refs[n]--;
        if
        :: flight_refs[n] == 0 ->
            flight_alive[n] = false;
            if
            :: holds[n] -> holds[n] = false; waiter_unref()
            :: else
            fi
        :: else
        fi
    }
}

/* waiter_signal: write, then written. */
inline signal() {
    assert(wctx_alive); /* the status is set */
    assert(waiter_alive);
    fd = true;
    signals++;
    assert(signals <= pauses); /* at most one for each pause */
    assert(waiter_alive);
    written = true
}

proctype Completion(byte n)
{
    bool open = false;
    mtype was;

    /* The device answers some time. */
    in_flight[n];
#ifndef NO_REF
    waiter_ref();
#endif
#ifndef NO_WINDOW
    /* waiter_open */
    if
    :: atomic { window == IDLE -> assert(waiter_alive); window = NOTIFYING }; open = true
    :: atomic { window == DEAD -> assert(waiter_alive) }
    fi;
#else
    open = true;
#endif
    assert(flight_alive[n]);
#ifdef SIGNAL_FIRST
    if
    :: state[n] == PAUSED && open -> signal()
    :: else
    fi;
    atomic { was = state[n]; state[n] = DONE };
#else
    atomic {
        was = state[n];
        state[n] = DONE;
        assert(!(was == PAUSED && abandoned[n]))
    };
    if
    :: was == PAUSED && open -> signal()
    :: else
    fi;
#endif
#ifndef NO_WINDOW
    if
    :: open -> atomic { assert(window != IDLE); window = IDLE }
    :: else
    fi;
#endif
#ifndef NO_REF
    waiter_unref();
#else
    assert(waiter_alive);
#endif
    flight_unref(n)
}

/* waiter_clear */
inline clear(force) {
    atomic {
        if
        :: written || force -> written = false; fd = false
        :: else
        fi
    }
}

/* offload_free of a context whose job is paused. */
inline abandon(n) {
#ifndef NO_ABANDON
    atomic {
        if
        :: state[n] != DONE -> state[n] = ABANDONED
        :: else
        fi;
        abandoned[n] = true;
        left++
    };
#else
    abandoned[n] = true;
    left++;
#endif
    flight_unref(n)
}

proctype App()
{
    byte n = 0;
    bool gone;

    do
    :: n == OPS -> break
    :: n < OPS ->
        /* async_begin, hw_submit */
        gone = false;
        early = 0;
        waiter_ref();
        holds[n] = true;
        state[n] = RUNNING;
        flight_alive[n] = true;
        flight_refs[n] = 2;
        in_flight[n] = true;
        run Completion(n);
        /* wait_in_job */
        do
        :: true ->
#ifdef BLIND_PAUSE
            atomic { state[n] = PAUSED; pauses++ };
#else
            if
            :: atomic { state[n] == RUNNING -> state[n] = PAUSED; pauses++ }
            :: state[n] == DONE -> break
            fi;
#endif
#ifdef CLEAR_LATE
            clear(true);
#endif
            /* The application: waits for the fd, tries its luck once, or the
             * connection ends. */
            if
            :: true -> fd; early++
            :: atomic { spurious_left -> spurious_left = false }
            :: gone = true; break
            fi;
            /* The signal of an operation that was left may wake it once; what
             * it cleared then must not. */
            assert(early <= 1 + left);
            if
            :: atomic { state[n] == PAUSED -> state[n] = RUNNING }
            :: state[n] == DONE ->
#ifndef NO_SETTLE
                /* waiter_settle */
                window != NOTIFYING;
                clear(false);
#endif
                break
            fi;
#ifndef CLEAR_LATE
            clear(true)
#endif
        od;
        if
        :: gone -> abandon(n)
        :: else ->
            /* async_end */
            assert(flight_alive[n]);
            holds[n] = false;
            waiter_unref();
            flight_unref(n)
        fi;
        n++
    od;
    /* ASYNC_WAIT_CTX_free: cleanup first */
#ifndef NO_WINDOW
    if
    :: atomic { window == IDLE -> window = DEAD }
    fi;
#endif
    wctx_alive = false;
    waiter_unref()
}

init {
    atomic { run App() }
}
