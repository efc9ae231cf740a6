#!/usr/bin/env bash
# An array of SHARDS jobs, each with its part of the trials; all write to the same results folder.
# Start: sbatch FILE     (run it again to resume a job that was stopped)
# Look:  involbench list NAME; involbench compare NAME
#SBATCH --job-name=NAME
#SBATCH --array=1-SHARDS
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=NAME-%A_%a.log
##SBATCH --gres=gpu:1
##SBATCH --partition=
# Two minutes before the time is over, Slurm signals the job. The job saves its state, and the next
# `sbatch` resumes it.
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
if [ -f .venv/bin/activate ]; then source .venv/bin/activate; fi

# SHARDS is also here, so that `sbatch --array=2,3 FILE` repeats parts 2 and 3 of SHARDS.
exec involbench run SPEC --shard "$SLURM_ARRAY_TASK_ID/SHARDS" "$@"
