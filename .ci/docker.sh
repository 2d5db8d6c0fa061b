# Sourced by .ci/run. docker_start CACHE_DIR makes a Docker engine answer; docker_stop ends what docker_start began.
# shellcheck shell=bash

docker_pid=''
docker_run_dir=''

docker_start() {
  if docker version > /dev/null 2>&1; then
    echo 'docker: an engine is running already, it is used and left running'
    return 0
  fi
  # Everything of this engine is in folders of its own, so that a pid file or socket that an earlier run
  # left behind cannot stop it.
  docker_run_dir=$(mktemp -d /tmp/ci-docker.XXXXXX)
  export DOCKER_HOST="unix://$docker_run_dir/docker.sock"
  # dockerd takes over the system's containerd when its socket is there, answering or not.
  if [[ -S /run/containerd/containerd.sock ]] && ! timeout 5 ctr version > /dev/null 2>&1; then
    rm -f /run/containerd/containerd.sock
  fi
  # The cache may be in use by an engine that an earlier run left running: then without it.
  if ! docker_launch "$1/docker" && ! docker_launch "$docker_run_dir/data"; then
    tail -n 30 "$docker_run_dir/dockerd.log"
    echo 'docker: the engine did not start, its log is above' >&2
    return 1
  fi
  echo "docker: engine $(docker version --format '{{.Server.Version}}') started"
}

docker_launch() {
  mkdir -p "$1"
  dockerd --data-root "$1" --exec-root "$docker_run_dir/exec" --pidfile "$docker_run_dir/docker.pid" \
    --host "$DOCKER_HOST" --storage-driver overlay2 < /dev/null > "$docker_run_dir/dockerd.log" 2>&1 &
  docker_pid=$!
  local deadline=$((SECONDS + 60))
  until docker version > /dev/null 2>&1; do
    if ! kill -0 "$docker_pid" 2> /dev/null || ((SECONDS > deadline)); then
      docker_kill
      return 1
    fi
    sleep 0.5
  done
}

docker_kill() {
  [[ -n $docker_pid ]] || return 0
  kill "$docker_pid" 2> /dev/null || true
  local deadline=$((SECONDS + 30))
  while kill -0 "$docker_pid" 2> /dev/null && ((SECONDS < deadline)); do sleep 0.2; done
  kill -9 "$docker_pid" 2> /dev/null || true
  wait "$docker_pid" 2> /dev/null || true
  docker_pid=''
}

docker_stop() {
  docker_kill
  if [[ -n $docker_run_dir ]]; then
    # The engine leaves the mount of its own network namespace behind.
    umount "$docker_run_dir"/exec/netns/* 2> /dev/null || true
    rm -rf "$docker_run_dir"
    docker_run_dir=''
  fi
}
