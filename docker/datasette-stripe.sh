#!/bin/sh
exec node /app/apps/container/dist/main.js "$@"
