"""Manifests in one folder, as repositories have them: policies, pods and services in many files, deterministic by seed.

``python -m benchmarks.documents FOLDER COUNT`` writes them; 50,000 are 57 MB.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

POLICY, POD, SERVICE = 30, 50, 20
PER_FILE = 50
TEAMS = ("payments", "search", "shop", "media", "billing", "auth", "data", "edge")
MEASURED = ("api", "web", "cache", "gateway")
"""The applications with a sidecar for their metrics."""
APPS = ("api", "web", "db", "cache", "worker", "queue", "gateway", "cron")


def documents(count: int, seed: int = 0) -> Iterator[str]:
    """The documents, one after the other: 30 % NetworkPolicy, 50 % Pod, 20 % Service."""
    draw = random.Random(seed)
    kinds = draw.choices(("policy", "pod", "service"), (POLICY, POD, SERVICE), k=count)
    places = [place(draw) for _ in range(count)]
    databases = {
        namespace: f"{app}-{number}.{namespace}.svc.cluster.local"
        for number, (kind, (namespace, app)) in enumerate(zip(kinds, places, strict=True))
        if kind == "service" and app == "db"
    }
    for number, (kind, (namespace, app)) in enumerate(zip(kinds, places, strict=True)):
        if kind == "policy":
            yield policy(number, namespace, app, draw)
        elif kind == "pod":
            yield pod(number, namespace, app, databases.get(namespace, "db.example.org"), draw)
        else:
            yield service(number, namespace, app)


def place(draw: random.Random) -> tuple[str, str]:
    """A namespace and an application."""
    return f"{draw.choice(TEAMS)}-{draw.randrange(25)}", draw.choice(APPS)


def policy(number: int, namespace: str, app: str, draw: random.Random) -> str:
    """A NetworkPolicy with a few peers."""
    peers = "".join(
        f"""  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {other}
      podSelector:
        matchLabels:
          app.kubernetes.io/name: {who}
          app.kubernetes.io/part-of: {other.rpartition("-")[0]}
    - podSelector:
        matchLabels:
          app.kubernetes.io/name: {draw.choice(APPS)}
    ports:
    - protocol: TCP
      port: {draw.choice((80, 443, 8080, 5432, 6379, 9090))}
"""
        for other, who in (place(draw) for _ in range(draw.randrange(2, 5)))
    )
    block = draw.randrange(256)
    return f"""apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {app}-{number}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {app}
    app.kubernetes.io/managed-by: kustomize
  annotations:
    description: "who may reach {app} of {namespace}, number {number}"
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {app}
      app.kubernetes.io/part-of: {namespace.rpartition("-")[0]}
  policyTypes:
  - Ingress
  - Egress
  ingress:
{peers}  egress:
  - to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
    ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
  - to:
    - ipBlock:
        cidr: 10.{block}.0.0/16
        except:
        - 10.{block}.{draw.randrange(256)}.0/24
"""


def pod(number: int, namespace: str, app: str, database: str, draw: random.Random) -> str:
    """A Pod with one or two containers, which asks a database that is there."""
    sidecar = f"""  - name: metrics
    image: registry.example.org/tools/exporter:1.{draw.randrange(30)}.0
    args: ["--listen=:9090", "--target=localhost:8080"]
    ports:
    - name: metrics
      containerPort: 9090
      protocol: TCP
"""
    return f"""apiVersion: v1
kind: Pod
metadata:
  name: {app}-{number}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {app}
    app.kubernetes.io/part-of: {namespace.rpartition("-")[0]}
    app.kubernetes.io/version: "1.{draw.randrange(20)}.{draw.randrange(10)}"
spec:
  serviceAccountName: {app}
  containers:
  - name: {app}
    image: registry.example.org/{namespace}/{app}:1.{draw.randrange(20)}.{draw.randrange(10)}
    imagePullPolicy: IfNotPresent
    ports:
    - name: http
      containerPort: 8080
      protocol: TCP
    env:
    - name: DATABASE_URL
      value: postgres://{database}:80/{app}
    - name: LOG_LEVEL
      value: info
    resources:
      requests:
        cpu: {draw.choice((50, 100, 250))}m
        memory: {draw.choice((64, 128, 256))}Mi
      limits:
        memory: 512Mi
    readinessProbe:
      httpGet:
        path: /healthz
        port: http
      periodSeconds: 10
    securityContext:
      allowPrivilegeEscalation: false
      runAsNonRoot: true
{sidecar if app in MEASURED else ""}  restartPolicy: Always
  terminationGracePeriodSeconds: 30
"""


def service(number: int, namespace: str, app: str) -> str:
    """A Service of one or two ports."""
    metrics = """  - name: metrics
    port: 9090
    targetPort: metrics
    protocol: TCP
"""
    return f"""apiVersion: v1
kind: Service
metadata:
  name: {app}-{number}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {app}
    app.kubernetes.io/part-of: {namespace.rpartition("-")[0]}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "9090"
spec:
  type: ClusterIP
  selector:
    app.kubernetes.io/name: {app}
    app.kubernetes.io/part-of: {namespace.rpartition("-")[0]}
  ports:
  - name: http
    port: 80
    targetPort: http
    protocol: TCP
{metrics if app in MEASURED else ""}"""


def write(folder: Path, count: int, seed: int = 0) -> int:
    """Writes the documents into files of a few dozen; how many bytes they have."""
    folder.mkdir(parents=True, exist_ok=True)
    known, size = list(documents(count, seed)), 0
    for first in range(0, count, PER_FILE):
        text = "---\n".join(known[first : first + PER_FILE])
        (folder / f"part-{first // PER_FILE:04}.yaml").write_text(text, encoding="utf-8")
        size += len(text)
    return size


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), int(sys.argv[2])), "bytes")
