"""Checks manifests without a cluster: `mistakes` lists what a cluster would refuse, or accept and ignore.

The input is the output of `kubectl kustomize`, as it is applied. All documents of an overlay are checked together, since
the usual mistake is a name that no other document defines.
"""

import re

import yaml

from schema import schema_mistakes, webhook_mistakes

KNATIVE = ("serving.knative.dev/v1", "Service")

# Labels in use; any other is likely misspelled.
LABELS_KNOWN = {"app", "redis-client", "networking.knative.dev/visibility"}
NAMESPACE_LABELS_KNOWN = {f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "warn", "audit")}

# Services of other manifests, by name and namespace, with their ports.
SERVICES_OUTSIDE = {("autoscaler", "knative-serving"): {9090}}

# Prefix of our images: Knative does not query a registry for `dev.local`.
IMAGE_OWN = "dev.local/tidemark-"


def mistakes(documents, *, variables, secrets, version):
    """Returns the mistakes in `documents` as texts.

    `variables` are the variables that our binaries read, `secrets` the keys of each Secret that `secrets.sh` makes,
    `version` is the tag of our images.
    """
    world = World(documents, variables, secrets, version)
    found = []
    for document in documents:
        name = f"{document.get('kind')}/{document.get('metadata', {}).get('name')}"
        wrong = schema_mistakes(document)
        if not wrong:
            # The other checks need a document that matches its schema.
            wrong = list(world.of(document))
        found += [f"{name}: {mistake}" for mistake in wrong]
    return found + world.twice()


class World:
    """The documents of an overlay, indexed by name and label."""

    def __init__(self, documents, variables, secrets, version):
        self.documents, self.variables, self.version = documents, variables, version
        self.secrets = dict(secrets)
        self.config_maps = {
            document["metadata"]["name"]: set(document.get("data", {}))
            for document in documents
            if document["kind"] == "ConfigMap"
        }
        self.knative = {document["metadata"]["name"] for document in documents if kind(document) == KNATIVE}
        self.services = {
            document["metadata"]["name"]: document for document in documents if kind(document) == ("v1", "Service")
        }
        self.pods = [pod for pod in map(Pod.of, documents) if pod is not None]

    def twice(self):
        names = [(document["kind"], document["apiVersion"], document["metadata"]["name"]) for document in self.documents]
        return [f"{name[0]}/{name[2]}: defined twice" for name in set(names) if names.count(name) > 1]

    def of(self, document):
        """Yields the mistakes in one document that matches its schema."""
        if document["kind"] != "Namespace" and document["metadata"].get("namespace") != "tidemark":
            yield "the document is not in the namespace"
        if kind(document) == KNATIVE:
            yield from webhook_mistakes(document)
        pod = Pod.of(document)
        if pod is not None:
            yield from self.of_pod(pod)
        special = {
            ("v1", "Service"): self.of_service,
            ("v1", "Namespace"): self.of_namespace,
            ("v1", "ConfigMap"): self.of_config_map,
            ("networking.k8s.io/v1", "Ingress"): self.of_ingress,
            ("networking.k8s.io/v1", "NetworkPolicy"): self.of_network_policy,
            ("policy/v1", "PodDisruptionBudget"): self.of_budget,
            ("autoscaling/v2", "HorizontalPodAutoscaler"): self.of_autoscaler,
            ("sources.knative.dev/v1", "PingSource"): self.of_source,
            ("sources.knative.dev/v1", "KafkaSource"): self.of_source,
            ("eventing.knative.dev/v1", "Trigger"): self.of_trigger,
        }.get(kind(document))
        if special is not None:
            yield from special(document)

    def of_pod(self, pod):
        for label in set(pod.labels) - LABELS_KNOWN:
            yield f"label {label} is unknown"
        if not pod.selector.items() <= pod.labels.items():
            yield f"selector {pod.selector} does not match its own pods"
        yield from pod.insecurities()
        yield from self.of_volumes(pod)
        for container in pod.containers:
            yield from self.of_container(pod, container)

    def of_volumes(self, pod):
        mounted = {m["name"] for c in pod.containers for m in c.get("volumeMounts", [])}
        for name in mounted ^ pod.volumes:
            yield f"volume {name} is mounted but not defined, or defined but not mounted"
        for volume in pod.spec.get("volumes", []):
            sources = volume.get("projected", {}).get("sources", [volume])
            for source in sources:
                if "secret" in source:
                    secret = source["secret"]
                    name = secret.get("secretName", secret.get("name"))
                    yield from self.lacks("Secret", self.secrets, name, keys_of(secret))
                if "configMap" in source:
                    config = source["configMap"]
                    yield from self.lacks(
                        "ConfigMap", self.config_maps, config["name"], keys_of(config)
                    )

    def lacks(self, what, there, name, keys):
        if name not in there:
            yield f"{what} {name} does not exist"
        for key in keys - there.get(name, keys):
            yield f"{what} {name} has no key {key}"

    def of_container(self, pod, container):
        image = container["image"]
        yield from self.of_image(image)
        if not container.get("resources", {}).get("limits", {}).get("memory"):
            yield "a memory limit is missing"
        for variable in container.get("env", []):
            name, source = variable["name"], variable.get("valueFrom", {})
            is_argument = any(f"$({name})" in argument for argument in container.get("args", []))
            if image.startswith(IMAGE_OWN) and name not in self.variables and not is_argument:
                yield f"variable {name} is read by none of the binaries"
            if "secretKeyRef" in source:
                ref = source["secretKeyRef"]
                yield from self.lacks("Secret", self.secrets, ref["name"], {ref["key"]})
            if "configMapKeyRef" in source:
                ref = source["configMapKeyRef"]
                yield from self.lacks("ConfigMap", self.config_maps, ref["name"], {ref["key"]})
            yield from self.of_addresses(variable.get("value", ""))
            yield from self.of_file(pod, container, name, variable.get("value", ""))
        known = {variable["name"] for variable in container.get("env", [])} | pod.variables
        for argument in container.get("args", []):
            for name in re.findall(r"\$\(([^)]*)\)", argument):
                if name not in known:
                    yield f"variable {name} of an argument is not set"
            yield from self.of_addresses(argument)
            option, _, value = argument.partition("=")
            if option.endswith("file"):
                yield from self.of_file(pod, container, "_FILE", value)
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            for how in ("httpGet", "tcpSocket"):
                port = container.get(probe, {}).get(how, {}).get("port")
                if port is not None and port not in pod.ports_of(container):
                    yield f"{probe} asks port {port}, which the container does not have"

    def of_image(self, image):
        if image.startswith(IMAGE_OWN):
            name, _, tag = image.removeprefix(IMAGE_OWN).partition(":")
            if name not in ("ingest", "analyze", "standalone", "evaluator"):
                yield f"image {image} is not built by `build.sh`"
            if tag != self.version:
                yield f"image {image} is not of version {self.version}"
        elif not re.search(r":v?\d+\.\d+(\.\d+)?(-alpine)?$", image):
            yield f"image {image} is not pinned"

    def of_file(self, pod, container, name, path):
        """Checks that a file named by a variable or an argument is in a mounted volume."""
        if not name.endswith("_FILE") and not name.endswith("__FILE"):
            return
        for mount in container.get("volumeMounts", []):
            where = mount["mountPath"].rstrip("/") + "/"
            if "subPath" in mount or not path.startswith(where):
                continue
            files = pod.files(mount["name"], self)
            if files is not None and path.removeprefix(where) not in files:
                yield f"file {path} is not in volume {mount['name']}"
            return
        yield f"file {path} is in no volume"

    def of_addresses(self, text):
        """Checks that addresses in the cluster name a Service and one of its ports."""
        for scheme, host, port in re.findall(r"\b(https?|rediss?)://([a-z0-9.-]+)(?::(\d+))?", text):
            yield from self.of_address(host, int(port or {"http": 80, "redis": 6379}.get(scheme, 443)))

    def of_address(self, host, port):
        if host in ("localhost", "127.0.0.1"):
            return
        name, *rest = host.removesuffix(".cluster.local").removesuffix(".svc").split(".")
        namespace = rest[0] if rest else "tidemark"
        if namespace != "tidemark":
            if port not in SERVICES_OUTSIDE.get((name, namespace), set()):
                yield f"address {host}:{port} belongs to no known Service"
        elif name in self.services:
            ports = {port["port"] for port in self.services[name]["spec"]["ports"]}
            if port not in ports:
                yield f"Service {name} has no port {port}"
        elif not (name in self.knative and port == 80):
            yield f"Service {name} does not exist"

    def of_config_map(self, document):
        """Checks the addresses of Services in the configuration of Prometheus, Alertmanager and Grafana."""
        for text in document.get("data", {}).values():
            if text.lstrip().startswith("{"):
                continue
            if text.startswith('"""'):
                continue
            for target in re.findall(r'targets: \["([^"]+)"\]', text):
                host, _, port = target.partition(":")
                yield from self.of_address(host, int(port))
            for url in re.findall(r"^\s*(?:- )?url: (\S+)", text, re.MULTILINE):
                yield from self.of_addresses(url)

    def of_service(self, document):
        spec = document["spec"]
        pods = [pod for pod in self.pods if spec["selector"].items() <= pod.labels.items()]
        if not pods:
            yield f"selector {spec['selector']} matches no pod"
        for port in spec["ports"]:
            target = port.get("targetPort", port["port"])
            if any(target not in pod.ports for pod in pods):
                yield f"port {target} is none of its pods'"

    def of_namespace(self, document):
        for label in set(document["metadata"].get("labels", {})) - NAMESPACE_LABELS_KNOWN:
            yield f"label {label} is unknown"
        enforced = document["metadata"].get("labels", {})
        if enforced.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield "pod security is not restricted"

    def of_ingress(self, document):
        for rule in document["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = self.services.get(backend["name"])
                if service is None:
                    yield f"Service {backend['name']} does not exist"
                    continue
                wanted = backend["port"].get("name", backend["port"].get("number"))
                if wanted not in {p.get(key) for p in service["spec"]["ports"] for key in ("name", "port")}:
                    yield f"Service {backend['name']} has no port {wanted}"

    def of_network_policy(self, document):
        spec = document["spec"]
        if not self.selected(spec["podSelector"]):
            yield f"selector {spec['podSelector']} matches no pod"
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            if direction.capitalize() not in spec["policyTypes"] and direction in spec:
                yield f"{direction} has rules and is not a type of this policy"
            for rule in spec.get(direction, []):
                yield from self.of_rule(spec, direction, rule, rule.get(peers, []))

    def of_rule(self, spec, direction, rule, peers):
        inside = [peer["podSelector"] for peer in peers if "namespaceSelector" not in peer and "podSelector" in peer]
        for selector in inside:
            if not self.selected(selector):
                yield f"peer {selector} matches no pod"
        if direction == "ingress":
            targets = self.selected(spec["podSelector"])
        else:
            targets = [pod for selector in inside for pod in self.selected(selector)]
        for port in rule.get("ports", []):
            # The API server adds it, and a list with another text counts as changed each time it is applied.
            if "protocol" not in port:
                yield f"port {port['port']} names no protocol"
            if isinstance(port["port"], str) or direction == "egress":
                for pod in targets:
                    if not pod.is_knative and port["port"] not in pod.ports:
                        yield f"port {port['port']} is none of {pod.name}"

    def selected(self, selector):
        return [pod for pod in self.pods if matches(selector, pod.labels)]

    def of_budget(self, document):
        if not self.selected(document["spec"]["selector"]):
            yield f"selector {document['spec']['selector']} matches no pod"

    def of_autoscaler(self, document):
        target = document["spec"]["scaleTargetRef"]
        scaled = [document for document in self.documents if kind(document) == (target["apiVersion"], target["kind"])]
        scaled = [document for document in scaled if document["metadata"]["name"] == target["name"]]
        if not scaled:
            yield f"{target['kind']} {target['name']} does not exist"
        for workload in scaled:
            if "replicas" in workload["spec"]:
                yield f"{target['name']} has replicas of its own"
            for container in workload["spec"]["template"]["spec"]["containers"]:
                if "cpu" not in container["resources"].get("requests", {}):
                    yield f"{target['name']} requests no CPU to be measured against"
        if document["spec"]["minReplicas"] > document["spec"]["maxReplicas"]:
            yield "minReplicas is above maxReplicas"

    def of_source(self, document):
        yield from self.of_destination(document["spec"]["sink"]["ref"])

    def of_trigger(self, document):
        yield from self.of_destination(document["spec"]["subscriber"]["ref"])
        broker = {"apiVersion": document["apiVersion"], "kind": "Broker", "name": document["spec"]["broker"]}
        yield from self.of_destination(broker)

    def of_destination(self, sink):
        if not any(
            kind(document) == (sink["apiVersion"], sink["kind"]) and document["metadata"]["name"] == sink["name"]
            for document in self.documents
        ):
            yield f"sink {sink['kind']} {sink['name']} does not exist"


class Pod:
    """The pod template of a workload."""

    def __init__(self, name, template, selector, is_knative):
        self.name, self.selector, self.is_knative = name, selector, is_knative
        self.labels = template.get("metadata", {}).get("labels", {})
        self.spec = template["spec"]
        self.containers = self.spec["containers"]
        self.ports = set().union(*map(self.ports_of, self.containers))

    @classmethod
    def of(cls, document):
        """Returns the pod template of a workload, or `None` for other documents."""
        name, spec = document.get("metadata", {}).get("name"), document.get("spec", {})
        try:
            if kind(document) == KNATIVE:
                return cls(name, spec["template"], {}, True)
            if document["kind"] in ("Deployment", "StatefulSet"):
                pod = cls(name, spec["template"], spec["selector"]["matchLabels"], False)
                pod.claims = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
                return pod
            if document["kind"] == "Job":
                pod = cls(name, spec["template"], {}, False)
                if spec.get("completionMode") == "Indexed":
                    pod.variables = {"JOB_COMPLETION_INDEX"}
                return pod
        except (KeyError, TypeError):
            # The document does not match its schema, which `schema_mistakes` reports.
            pass
        return None

    # Volumes from claim templates, and variables that Kubernetes sets.
    claims = frozenset()
    variables = frozenset()

    @property
    def volumes(self):
        return {volume["name"] for volume in self.spec.get("volumes", [])} | set(self.claims)

    @staticmethod
    def ports_of(container):
        ports = container.get("ports", [])
        return {port["containerPort"] for port in ports} | {port["name"] for port in ports if "name" in port}

    def files(self, volume, world):
        """Returns the files in a volume, or `None` if they are known only at run time."""
        for found in self.spec.get("volumes", []):
            if found["name"] != volume:
                continue
            if "secret" in found:
                keys = world.secrets.get(found["secret"]["secretName"], set())
                return {i["path"] for i in found["secret"].get("items", [])} or keys
            if "configMap" in found:
                keys = world.config_maps.get(found["configMap"]["name"], set())
                return {i["path"] for i in found["configMap"].get("items", [])} or keys
            if "projected" in found:
                files = set()
                for source in found["projected"]["sources"]:
                    config = source["configMap"]
                    keys = world.config_maps.get(config["name"], set())
                    files |= {i["path"] for i in config.get("items", [])} or keys
                return files
        return None

    def insecurities(self):
        """Yields violations of the pod security standard `restricted`, a writable root, and a mounted token."""
        whole = self.spec.get("securityContext", {})
        if self.spec.get("automountServiceAccountToken", True):
            yield "a token of the service account is mounted"
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if self.spec.get(key):
                yield f"{key} is not restricted"
        for container in self.containers:
            own = container.get("securityContext", {})
            for key, wanted in (
                ("runAsNonRoot", True),
                ("seccompProfile", {"type": "RuntimeDefault"}),
            ):
                if own.get(key, whole.get(key)) != wanted:
                    yield f"{key} is not {wanted}"
            if own.get("runAsUser", whole.get("runAsUser", 0)) == 0:
                yield "runAsUser is root, or left to the image"
            for key, wanted in (
                ("allowPrivilegeEscalation", False),
                ("readOnlyRootFilesystem", True),
                ("capabilities", {"drop": ["ALL"]}),
            ):
                if own.get(key) != wanted:
                    yield f"{key} is not {wanted}"


def kind(document):
    return document.get("apiVersion"), document.get("kind")


def keys_of(source):
    return {item["key"] for item in source.get("items", [])}


def matches(selector, labels):
    """Returns whether a label selector selects these labels."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for wanted in selector.get("matchExpressions", []):
        if wanted["operator"] != "In":
            raise ValueError(f"operator {wanted['operator']} is not used here")
        if labels.get(wanted["key"]) not in wanted["values"]:
            return False
    return True


def load(text):
    return [document for document in yaml.safe_load_all(text) if document]
