/*
 * protocol.pml: PROTOCOL.md sections 1, 2, 5, 6 and 7 for one record and its document, as the
 * program does it (ingest/pipeline/start.c, drift.c, plan.c, gone.c, settle.c, checkpoint.c).
 *
 * A world changes the ERP (at once, or in a transaction that commits late), writes into the target
 * beside us, changes the mapper, copies any of the three places and puts the copy back, and kills
 * runs between any two durable steps. When it has had enough, two quiet runs follow. It is wrong
 *
 *   healed      if after an incremental run the document is not what the record and the mapper say,
 *               or after a full one: a change was skipped, or a restored copy was believed;
 *   deletions   if a deletion was ever sent for a record that the ERP had;
 *   cheap       if the state was rebuilt though nothing had been restored: a crash costs no rebuild.
 *
 * Each rule of the protocol is an #ifndef: -DNO_NUMBER is the protocol without the rule NUMBER. With
 * all rules spin finds nothing wrong; without any one of them it finds how things go wrong.
 * tests/integration/test_model.py names for each rule the smallest world that needs it, and searches
 * that world with and without it. By hand, for a world of one's own:
 *
 *     spin -a -DRUNS=3 -DCHANGES=1 -DCRASHES=1 tests/model/protocol.pml
 *     gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m10000
 *     spin -t -p -DRUNS=3 -DCHANGES=1 -DCRASHES=1 tests/model/protocol.pml   # what pan found
 *
 * Two things no rule can see, and the world does not do them: a target restored between the
 * last look at it and the writing of its `_local` (`sealing`), and one restored under a run to a copy
 * of the session that the run began with, when others make up for its writes at once.
 */

/* What may happen in the world, and how often. */
#ifndef RUNS
#define RUNS 2 /* before the quiet ones */
#endif
#ifndef CHANGES
#define CHANGES 0 /* of the record */
#endif
#ifndef LATE
#define LATE 0 /* of these by a transaction that stays open */
#endif
#ifndef ROWS
#define ROWS 0 /* changes of another row, which take the cursor along */
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef BREAKS
#define BREAKS 0 /* of the connection to the ERP, in mid-read */
#endif
#ifndef BRAKES
#define BRAKES 0 /* deletions withheld */
#endif
#ifndef TARGET_RESTORES
#define TARGET_RESTORES 0
#endif
#ifndef STATE_RESTORES
#define STATE_RESTORES 0
#endif
#ifndef ERP_RESTORES
#define ERP_RESTORES 0
#endif
#ifndef TORN
#define TORN 0 /* 1: shards of a copy are not of one moment; only where nobody else writes */
#endif
#ifndef EDITS
#define EDITS 0 /* of our document, by others */
#endif
#ifndef OTHERS
#define OTHERS 0 /* writes of other documents, which make up for what a restore took */
#endif
#ifndef SWITCHES
#define SWITCHES 0 /* of the mapper */
#endif

/* ---- the ERP ---- */

#define FLAGGED 0   /* the row says that it is deleted */
#define VANISHED 9  /* the row is not there any more, and left no trace */
#define IS_GONE(row) ((row) == FLAGGED || (row) == VANISHED)

/* A document's content is that of row and mapper; 0 is a tombstone, or no document. */
#define BODY(row, mapper) (IS_GONE(row) -> 0 : (row) * 2 + (mapper))
#define FOREIGN 99

typedef erp_t {
	byte row, stamp; /* of the record, as committed */
	byte other;      /* stamp of another row */
	byte timeline    /* another one after each restore */
};
erp_t erp, erp_copy;
byte late, late_stamp; /* of a transaction that is still open; a stamp of 0: there is none */
byte clock = 1;
bit mapper;

/* ---- the target: all that a restore of its files brings back ---- */

typedef shard_t {
	byte body, gen, /* of the document: content, and how many revisions */
	     changed,   /* update_seq of the last of them */
	     seq        /* of the database */
};
typedef checkpoint_t {
	byte session, since, /* of a checkpoint, and the update_seq at the start of its run, */
	     number          /* ... and the number of that run */
};
shard_t target, target_copy;
checkpoint_t checkpoint, checkpoint_copy;

/* ---- the state: all that a restore of its directory brings back ---- */

typedef state_t {
	byte session, closing;
	byte body, gen;      /* what the target is believed to hold */
	bit unknown;         /* ... but nobody knows the content any more */
	byte entry_run;      /* who wrote that */
	bit owed;            /* its deletion was withheld */
	byte seq, own;       /* of the last checkpoint: update_seq at its start, own writes */
	byte writes;         /* of runs after it */
	byte number;            /* number of the last run that began, */
	byte closed;         /* ... and of the last one with a checkpoint */
	byte cursor;         /* 0: none */
	byte timeline;       /* of the ERP, when the cursor was read */
	byte fingerprint     /* 1 + mapper of the last full read; 0: void */
};
state_t state, state_copy;

byte sessions;  /* handed out */
bit quiet;      /* the world has had enough: nobody dies, everything is permitted */
bit running;    /* the lock */
bit sealing;
bit all;        /* --full */
bit restored;   /* something was, at some time: then a rebuild is no fault */
bit noticed;    /* a full read saw that the row has vanished, and its deletion was withheld */

inline copy_erp(to, from)
{
	to.row = from.row; to.stamp = from.stamp; to.other = from.other
}

inline copy_shard(to, from)
{
	to.body = from.body; to.gen = from.gen; to.changed = from.changed; to.seq = from.seq
}

inline copy_checkpoint(to, from)
{
	to.session = from.session; to.since = from.since; to.number = from.number
}

inline copy_state(to, from)
{
	to.session = from.session; to.closing = from.closing; to.body = from.body;
	to.gen = from.gen; to.unknown = from.unknown; to.entry_run = from.entry_run;
	to.owed = from.owed; to.seq = from.seq; to.own = from.own; to.writes = from.writes;
	to.number = from.number; to.closed = from.closed;
	to.cursor = from.cursor; to.timeline = from.timeline; to.fingerprint = from.fingerprint
}

inline write_target(content)
{
	target.body = content;
	target.gen++;
	target.seq++;
	target.changed = target.seq
}

/* ---- one run ---- */

byte crashes, breaks, brakes;

byte at_seq, at_session; /* of the target, as read at the start */
byte since, closed;      /* from where its feed is read; what later runs wrote must be there */
byte cap;                /* how far the observation lets the cursor go */
byte read_row, newest;   /* of the snapshot */
byte read_timeline;
byte own, acked;         /* revisions that this run wrote; the last of them */
bit mine;                /* the mapper that this run was started with */
bit opened, trusted, rebuilt, whole, want, broken, in_feed, withheld;

#define MAY_DIE                                                                     \
	if                                                                          \
	:: !quiet && crashes < CRASHES -> crashes++; goto dead                      \
	:: skip                                                                     \
	fi

inline judge()
{
	trusted = at_session != 0 && (state.session != 0 || state.closing != 0);
#ifndef NO_SESSION
#ifndef NO_CLOSING
	trusted = trusted && (at_session == state.session || at_session == state.closing);
#else
	trusted = trusted && at_session == state.session;
#endif
#endif
#ifndef NO_NUMBER
	trusted = trusted && at_seq >= state.seq + state.own + state.writes;
#endif
	/* A run may have died while closing: what counts is the checkpoint in the target itself. */
#ifndef NO_LOCAL_SINCE
	since = checkpoint.since;
#else
	since = state.seq;
#endif
#ifndef NO_LOCAL_NUMBER
	closed = checkpoint.number
#else
	closed = state.closed
#endif
}

/* A rebuild forgets everything, durably and at first. */
inline erase()
{
#ifndef NO_ERASE
	state.session = 0; state.closing = 0;
	state.seq = 0; state.own = 0; state.writes = 0;
	state.number = 0; state.closed = 0;
#endif
#ifndef NO_FULL_AFTER_REBUILD
	state.cursor = 0;
	state.fingerprint = 0;
#endif
	state.body = 0; state.gen = 0; state.unknown = 0; state.entry_run = 0; state.owed = 0
}

/* Where the target was not reached, its session is the one before. */
inline finish_closing()
{
	if
	:: at_session == state.closing -> state.session = state.closing
	:: else
	fi;
	state.closing = 0
}

/* `_changes` since the last checkpoint: is our document among them, and as we know it? */
inline follow()
{
	in_feed = target.changed > since;
	if
	:: in_feed && (target.gen != state.gen || target.body != state.body) ->
#ifndef NO_READ_BY_KEY
		want = 1;
#endif
		state.unknown = 1
	:: else
	fi
}

/* A write of a run that did not close is in the feed, or was found there as it is (_revs_diff tells);
 * or the target is older than it. */
#ifndef NO_TOMBSTONES
#define IS_UNCLOSED (state.entry_run > closed)
#else
#define IS_UNCLOSED (state.entry_run > closed && state.body != 0)
#endif

proctype a_run()
{
#ifndef NO_LOCAL_FIRST
	d_step { mine = mapper; whole = all; at_session = checkpoint.session };
	d_step { opened = 1; at_seq = target.seq; judge() };
#else
	d_step { mine = mapper; whole = all; at_seq = target.seq };
	d_step { opened = 1; at_session = checkpoint.session; judge() };
#endif
	if
	:: trusted && state.closing -> d_step { finish_closing() }; MAY_DIE
	:: trusted && !state.closing
	:: !trusted ->
rebuild:	skip;
		d_step {
			assert(restored || state.session == 0); /* cheap */
			erase()
		};
		MAY_DIE;
		d_step {
			state.body = target.body; state.gen = target.gen; /* adopted */
			rebuilt = 1
		};
		MAY_DIE
	fi;

	d_step {
		state.number++;
		in_feed = 1;
		if
#ifndef NO_FEED
		:: !rebuilt && (closed + 1 != state.number || at_seq != state.seq + state.own) ->
			follow()
#endif
		:: else
		fi
	};
#ifndef NO_MISSING
	if
	:: !rebuilt && IS_UNCLOSED && !in_feed &&
		(target.gen != state.gen || target.body != state.body) -> goto rebuild
	:: else
	fi;
#endif
	MAY_DIE;

	if
	:: state.fingerprint != 1 + mine ->
#ifndef NO_FINGERPRINT
		whole = 1;
#endif
#ifndef NO_VOID_FINGERPRINT
		state.fingerprint = 0;
		MAY_DIE
#endif
	:: else
	fi;

	/* Observe, then read one snapshot. */
#ifndef NO_OBSERVE_FIRST
	cap = (late_stamp -> late_stamp - 1 : clock);
#endif
	d_step {
		whole = whole || state.cursor == 0;
#ifndef NO_TIMELINE
		whole = whole || erp.timeline != state.timeline;
#endif
		read_row = erp.row; read_timeline = erp.timeline;
		newest = (erp.row != VANISHED && erp.stamp > erp.other -> erp.stamp : erp.other);
		want = want || whole || state.owed || (erp.row != VANISHED && erp.stamp >= state.cursor)
	};
#ifdef NO_OBSERVE_FIRST
	cap = (late_stamp -> late_stamp - 1 : clock);
#endif
#ifdef NO_CURSOR_LAST
	state.cursor = (newest < cap -> newest : cap);
	MAY_DIE;
#endif
	if
	:: !quiet && breaks < BREAKS -> /* the record had not come when the connection broke */
		d_step { breaks++; broken = 1; read_row = VANISHED };
#ifdef NO_UNFINISHED_CURSOR
		want = 0
#else
#ifdef NO_UNFINISHED_SWEEP
		want = whole
#else
		goto dead
#endif
#endif
	:: skip
	fi;

	/* Compare, write, be told so, remember it. */
	if
#ifndef NO_OWED_BY_KEY
	:: want && (state.unknown || state.body != BODY(read_row, mine)) ->
#else
	:: want && (state.unknown || state.owed || state.body != BODY(read_row, mine)) ->
		d_step { read_row = (state.owed -> VANISHED : read_row) };
#endif
		if
		:: !quiet && IS_GONE(read_row) && brakes < BRAKES -> d_step { brakes++; withheld = 1 }
		:: skip
		fi;
		if
		:: withheld ->
			d_step {
				noticed = erp.row == read_row;
#ifndef NO_OWED
				state.owed = 1
#endif
			}
		:: else ->
#ifdef NO_ACKED_FIRST
			d_step {
				state.body = BODY(read_row, mine); state.gen = target.gen + 1;
				state.entry_run = state.number
			};
			MAY_DIE;
#endif
			d_step { /* what is there is compared before it is written over */
				if
				:: target.body != BODY(read_row, mine) ->
					/* deletions: the snapshot had no such record */
					assert(!IS_GONE(read_row) || !broken);
#ifdef NO_OWED_BY_KEY
					assert(!IS_GONE(read_row) || IS_GONE(erp.row));
#endif
					write_target(BODY(read_row, mine));
					own++
				:: else
				fi;
				acked = target.gen
			};
			MAY_DIE;
			d_step {
				state.body = BODY(read_row, mine); state.gen = acked;
				state.unknown = 0; state.owed = 0; state.entry_run = state.number;
#ifndef NO_WRITES_NOTED /* redundant: MISSING sees it too, but only by reading the feed */
				state.writes = state.writes + own
#endif
			}
		fi;
		MAY_DIE
	:: else
	fi;
#ifdef NO_UNFINISHED_SWEEP
	if
	:: broken -> goto dead
	:: else
	fi;
#endif

	sealing = 1;
#ifndef NO_END /* is it still the target that the run began with? */
	if
	:: checkpoint.session != at_session || target.seq < at_seq + own -> state.session = 0; goto dead
	:: else
	fi;
#endif
	MAY_DIE;
#ifdef NO_CLOSING_FIRST
	d_step {
		checkpoint.session = sessions + 1; checkpoint.since = at_seq;
		checkpoint.number = state.number
	};
	MAY_DIE;
#endif

	d_step {
		sessions++;
#ifndef NO_CAP
		newest = (newest < cap -> newest : cap);
#endif
		state.cursor = (newest > state.cursor -> newest : state.cursor);
		state.timeline = read_timeline;
		state.fingerprint = (whole -> 1 + mine : state.fingerprint);
		state.seq = at_seq; state.own = own; state.writes = 0;
		state.closed = state.number;
		state.closing = sessions
	};
	MAY_DIE;
	d_step { 
		checkpoint.session = sessions; checkpoint.since = at_seq;
		checkpoint.number = state.number; sealing = 0
	 };
	MAY_DIE;
	d_step { state.session = sessions; state.closing = 0 };
dead:	skip;
	d_step { /* equal states are one */
		at_seq = 0; at_session = 0; since = 0; closed = 0; cap = 0; read_row = 0; newest = 0;
		read_timeline = 0; own = 0; acked = 0; mine = 0; opened = 0; trusted = 0; rebuilt = 0; whole = 0; want = 0;
		broken = 0; in_feed = 0; withheld = 0; sealing = 0; running = 0
	}
}

/* ---- the world ---- */

byte runs, changes, lates, rows, edits, others, switches, target_copies, state_copies, erp_copies;
bit target_copied, checkpoint_copied, state_copied, erp_copied;

inline change()
{
	if
	:: late = changes + 1
	:: late = FLAGGED
	:: late = VANISHED
	fi;
	changes++;
	clock++;
	late_stamp = clock
}

inline commit()
{
	erp.row = late; erp.stamp = late_stamp;
	late = 0; late_stamp = 0;
	noticed = 0
}

proctype world()
{
	do
	/* the ERP; what vanishes has no stamp that a transaction could hold back */
	:: atomic { changes < CHANGES && !late_stamp -> change(); commit() }
	:: atomic { changes < CHANGES && lates < LATE && !late_stamp -> lates++; change() }
	:: d_step { late_stamp -> commit() }
	:: d_step { rows < ROWS -> rows++; clock++; erp.other = clock }
	:: d_step { switches < SWITCHES -> switches++; mapper = 1 - mapper }
	:: d_step { erp_copies < ERP_RESTORES && !erp_copied -> copy_erp(erp_copy, erp); erp_copied = 1 }
	:: d_step { erp_copied && !running ->
		copy_erp(erp, erp_copy); erp.timeline++; late = 0; late_stamp = 0; noticed = 0;
		erp_copied = 0; erp_copies++ }

	/* the target */
	:: d_step { edits < EDITS && !sealing -> edits++; write_target(FOREIGN) }
	:: d_step { others < OTHERS -> others++; target.seq++ }
	:: d_step { target_copies < TARGET_RESTORES && !target_copied ->
		copy_shard(target_copy, target); target_copied = 1;
		copy_checkpoint(checkpoint_copy, checkpoint); checkpoint_copied = !TORN }
	:: d_step { TORN && target_copied && !checkpoint_copied ->
		copy_checkpoint(checkpoint_copy, checkpoint); checkpoint_copied = 1 }
	:: d_step { checkpoint_copied && !sealing &&
		(!opened || (EDITS == 0 && OTHERS == 0) || checkpoint_copy.session != at_session) ->
		copy_shard(target, target_copy); copy_checkpoint(checkpoint, checkpoint_copy);
		target_copied = 0; checkpoint_copied = 0; target_copies++; restored = 1 }

	/* the state, between runs */
	:: d_step { state_copies < STATE_RESTORES && !state_copied ->
		copy_state(state_copy, state); state_copied = 1 }
	:: d_step { state_copied && !running ->
		copy_state(state, state_copy); state_copied = 0; state_copies++; restored = 1 }

	:: atomic { runs < RUNS && !running -> runs++; running = 1; run a_run() }
	:: !running -> break
	od;
	skip; /* no d_step is jumped into */

	d_step {
		if
		:: late_stamp -> commit()
		:: else
		fi;
		quiet = 1; running = 1
	};
	run a_run();
	!running;
	assert(target.body == BODY(erp.row, mapper) || (erp.row == VANISHED && !noticed)); /* healed */
	d_step { all = 1; running = 1 };
	run a_run();
	!running;
	assert(target.body == BODY(erp.row, mapper)) /* healed */
}

init {
	erp.row = 1; erp.stamp = 1;
	run world()
}
