#!/usr/bin/env bash
# Bring up, or take down, a Slurm of two nodes on this machine: for the tests only, without systemd.
#   slurm_up.sh up DIR FIRST_PORT    then export SLURM_CONF=DIR/slurm.conf
#   slurm_up.sh down DIR
# Everything listens on the loopback address and lives in DIR; each daemon is ended by its own id.
set -euo pipefail
action=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
export SLURM_CONF=$dir/slurm.conf
pids=$dir/pids

if [ "$action" = down ]; then
  scancel --user="$(id -un)" 2>/dev/null || true
  sleep 1
  for name in n2 n1 slurmctld munged; do
    [ -s "$pids/$name" ] && kill "$(cat "$pids/$name")" 2>/dev/null || true
  done
  exit 0
fi

port=$3
host=$(hostname -s)
socket=$dir/munge/socket
mkdir -p "$pids" "$dir"/{munge,state,spool,log}
chmod 755 "$dir/munge"

cat >"$SLURM_CONF" <<END
ClusterName=dxdask
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$socket
# No control groups and no MPI: processes are followed by their parents.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1
ReturnToService=2
KillWait=2
SlurmdTimeout=20
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$pids/slurmctld
SlurmdPidFile=$pids/%n
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/%n.log
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=2 RealMemory=3000
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=2 RealMemory=3000
PartitionName=tests Nodes=n1,n2 Default=YES MaxTime=60 State=UP
END

(umask 077 && head -c 256 /dev/urandom >"$dir/munge/key")
munged --force --key-file="$dir/munge/key" --socket="$socket" --pid-file="$pids/munged" \
  --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"
slurmctld
slurmd -N n1
slurmd -N n2
for _ in $(seq 60); do
  if [ "$(sinfo --noheader --Node --format=%t 2>/dev/null | grep -c '^idle$')" = 2 ]; then
    exit 0
  fi
  sleep 0.5
done
echo "Slurm did not come up:" >&2
tail -n 5 "$dir"/log/*.log >&2
exit 1
