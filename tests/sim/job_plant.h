/* job_plant.h: bugs for the self test of jobrun, one at a time. They are planted between files of compute/job and of
 * core/part: the linker sends some calls through job_plant.c (--wrap), in this program and no other. With none planted
 * the calls are as they are; only snapshots of the job log come after bytes instead of megabytes, so that runs have
 * some. */
#ifndef MILLRACE_TESTS_SIM_JOB_PLANT_H
#define MILLRACE_TESTS_SIM_JOB_PLANT_H

enum job_plant {
    JOB_PLANT_NONE,
    JOB_PLANT_BLIND,     /* the reader knows nothing of aborted transactions; the checker's own */
    JOB_PLANT_EARLY,     /* markers go out before the commit record is written */
    JOB_PLANT_AHEAD,     /* the commit record's positions are a row ahead of the output */
    JOB_PLANT_OLD_ID,    /* the first rows of an epoch go out under the producer id of the one before */
    JOB_PLANT_FORGETFUL, /* what changed in an epoch is taken for a snapshot */
    JOB_PLANT_SHORT_LOG, /* the job log is cut below a snapshot before that is committed */
    JOB_PLANT_ABORTS,    /* at a start what the commit record names is aborted, too */
    JOB_PLANT_WEAK,      /* a source of relaxed policy is not flushed at a barrier */
    JOB_PLANT_COUNT
};

/* From now on this one; what was kept of another is forgotten. */
void job_plant_begin(enum job_plant plant);

#endif
