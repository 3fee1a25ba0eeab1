"""The Railway project as code: `railway config plan` shows what would change, `railway config apply` changes it.

docs/railway.md is the guide to it; tests/unit/deploy/test_railway.py evaluates it offline.
"""

from typing import Any

from railway_sdk import Project, bucket, define_railway, image, preserve, project, service, volume

WORKERS = 2
WORKER_CPUS = 4
# The platform sends SIGKILL this long after SIGTERM, by default at once; each is above what the process needs to end.
API_DRAINING_S = 30
WORKER_DRAIN_S = 60
WORKER_DRAINING_S = 90
REDIS_DRAINING_S = 30
# Old and new deployment run side by side, until the edge has stopped sending to the old one.
OVERLAP_S = 20
# A worker listens here once its model is loaded; no domain leads to it.
WORKER_PORT = 9464
GIGABYTE = 1_000_000_000

# The image's entry point gives /data, where it starts, to its own user and drops root; exec leaves Redis as process 1.
REDIS_COMMAND = (
    '/bin/sh -c \'exec docker-entrypoint.sh redis-server --bind 0.0.0.0 -:: --requirepass "$REDIS_PASSWORD"'
    ' --appendonly yes --appendfsync everysec --save "" --maxmemory 768mb --maxmemory-policy noeviction\''
)


def limits(cpus: float, memory_gb: float) -> dict[str, Any]:
    """Return the most that one replica may use: a quota its thread counts follow, and a bound to the bill."""
    return {"containers": {"cpu": cpus, "memoryBytes": int(memory_gb * GIGABYTE)}}


def built_from(dockerfile: str, *folders: str) -> dict[str, Any]:
    """Return how an image is built, and which changes build it again."""
    patterns = [dockerfile, "pyproject.toml", ".lock/**", *(f"{folder}/**" for folder in folders)]
    return {"builder": "DOCKERFILE", "dockerfilePath": dockerfile, "watchPatterns": patterns}


@define_railway
def main(_context: object = None) -> Project:
    """Describe the environment: gateway, workers, Redis with a disk, and a bucket for files that both need."""
    redis_data = volume("redis-data", sizeMB=5_000)
    files = bucket("files", region="iad")
    redis = service(
        "redis",
        source=image("redis:7.2.11-alpine"),
        start=REDIS_COMMAND,
        volumeMounts={"/data": redis_data},
        deploy={"restartPolicyType": "ALWAYS", "limitOverride": limits(1, 1)},
        env={
            "REDIS_PASSWORD": preserve(),
            "REDIS_URL": "redis://default:${{REDIS_PASSWORD}}@${{RAILWAY_PRIVATE_DOMAIN}}:6379/0",
            "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": str(REDIS_DRAINING_S),
        },
    )
    shared = {
        "BAKE_MODEL": "1",
        "FINANCELLM_REDIS_URL": redis.env.REDIS_URL,
        "FINANCELLM_FILES_URL": "s3://${{files.BUCKET}}/files",
        "AWS_ACCESS_KEY_ID": files.env.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": files.env.SECRET_ACCESS_KEY,
        "AWS_ENDPOINT_URL": files.env.ENDPOINT,
        "AWS_DEFAULT_REGION": files.env.REGION,
    }
    api = service(
        "api",
        build=built_from("Dockerfile.api", "api", "common", "training"),
        healthcheck="/livez",
        healthcheckTimeout=120,
        deploy={"restartPolicyType": "ALWAYS", "limitOverride": limits(2, 1)},
        env={
            **shared,
            "FINANCELLM_API_HOST": "::",
            "FINANCELLM_API_KEY_HASHES": preserve(),
            # The health check names a host of its own; other services call the private one.
            "FINANCELLM_API_ALLOWED_HOSTS": "healthcheck.railway.app,${{RAILWAY_PUBLIC_DOMAIN}},"
            "${{RAILWAY_PRIVATE_DOMAIN}}",
            # The edge reaches services from carrier-grade NAT addresses (RFC 6598).
            "FINANCELLM_API_TRUSTED_PROXIES": "100.64.0.0/10",
            "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": str(API_DRAINING_S),
            "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": str(OVERLAP_S),
        },
    )
    worker = service(
        "worker",
        build=built_from("Dockerfile.worker", "common", "training", "worker"),
        replicas=WORKERS,
        healthcheck="/metrics",
        healthcheckTimeout=300,
        deploy={"restartPolicyType": "ALWAYS", "limitOverride": limits(WORKER_CPUS, 2)},
        env={
            **shared,
            "PORT": str(WORKER_PORT),
            "FINANCELLM_METRICS_HOST": "::",
            "FINANCELLM_METRICS_PORT": str(WORKER_PORT),
            "FINANCELLM_DRAIN_S": str(WORKER_DRAIN_S),
            "FINANCELLM_WEBHOOK_SECRET": preserve(),
            "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": str(WORKER_DRAINING_S),
            "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": str(OVERLAP_S),
        },
    )
    return project("financellm", resources=[redis_data, files, redis, api, worker])
