"""Everything that can be known of manifests without a cluster: `mistakes` names what a cluster would refuse, or take and
never do.

It looks at documents as `kubectl kustomize` renders them, so at what is applied, and at all of them together: a name in
one that nothing in the others has is the usual way of being broken.
"""

import re

import yaml

from schema import schema_mistakes, webhook_mistakes

KNATIVE = ("serving.knative.dev/v1", "Service")

# Annotations and labels that mean something; another one is likely misspelled.
LABELS_KNOWN = {"app", "redis-client", "networking.knative.dev/visibility"}
NAMESPACE_LABELS_KNOWN = {f"pod-security.kubernetes.io/{it}" for it in ("enforce", "warn", "audit")}

# Services outside of these manifests: their namespace and port, and who they are.
SERVICES_OUTSIDE = {("autoscaler", "knative-serving"): {9090}}

# Images that are ours: names by which Knative does not look for a registry.
IMAGE_OWN = "dev.local/tidemark-"


def mistakes(documents, *, variables, secrets, version):
    """What is wrong with `documents`.

    `variables` are those that our binaries read, `secrets` the keys of each Secret that is made outside of the
    manifests, `version` the tag of our images.
    """
    world = World(documents, variables, secrets, version)
    found = []
    for document in documents:
        name = f"{document.get('kind')}/{document.get('metadata', {}).get('name')}"
        wrong = schema_mistakes(document)
        if not wrong:
            # What does not fit its schema cannot be read any further.
            wrong = list(world.of(document))
        found += [f"{name}: {it}" for it in wrong]
    return found + world.twice()


class World:
    """All documents of an overlay, by what refers to them."""

    def __init__(self, documents, variables, secrets, version):
        self.documents, self.variables, self.version = documents, variables, version
        self.secrets = dict(secrets)
        self.config_maps = {
            it["metadata"]["name"]: set(it.get("data", {}))
            for it in documents
            if it["kind"] == "ConfigMap"
        }
        self.knative = {it["metadata"]["name"] for it in documents if kind(it) == KNATIVE}
        self.services = {
            it["metadata"]["name"]: it for it in documents if kind(it) == ("v1", "Service")
        }
        self.pods = [it for it in map(Pod.of, documents) if it is not None]

    def twice(self):
        names = [(it["kind"], it["apiVersion"], it["metadata"]["name"]) for it in self.documents]
        return [f"{it[0]}/{it[2]}: defined twice" for it in set(names) if names.count(it) > 1]

    def of(self, document):
        """What is wrong with one document that fits its schema."""
        if document["kind"] != "Namespace" and document["metadata"].get("namespace") != "tidemark":
            yield "it is not in the namespace"
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
            yield f"volume {name} is mounted and not there, or there and not mounted"
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
            yield "a limit of memory is wanted"
        for variable in container.get("env", []):
            name, source = variable["name"], variable.get("valueFrom", {})
            is_argument = any(f"$({name})" in it for it in container.get("args", []))
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
        known = {it["name"] for it in container.get("env", [])} | pod.variables
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
                yield f"image {image} is made by nobody"
            if tag != self.version:
                yield f"image {image} is not of version {self.version}"
        elif not re.search(r":v?\d+\.\d+(\.\d+)?(-alpine)?$", image):
            yield f"image {image} is not pinned"

    def of_file(self, pod, container, name, path):
        """A file that a variable or an argument names is in a mount, under that name."""
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
        """An address within the cluster names a Service and one of its ports."""
        for scheme, host, port in re.findall(r"\b(https?|rediss?)://([a-z0-9.-]+)(?::(\d+))?", text):
            yield from self.of_address(host, int(port or {"http": 80, "redis": 6379}.get(scheme, 443)))

    def of_address(self, host, port):
        if host in ("localhost", "127.0.0.1"):
            return
        name, *rest = host.removesuffix(".cluster.local").removesuffix(".svc").split(".")
        namespace = rest[0] if rest else "tidemark"
        if namespace != "tidemark":
            if port not in SERVICES_OUTSIDE.get((name, namespace), set()):
                yield f"address {host}:{port} is of no known Service"
        elif name in self.services:
            ports = {it["port"] for it in self.services[name]["spec"]["ports"]}
            if port not in ports:
                yield f"Service {name} has no port {port}"
        elif not (name in self.knative and port == 80):
            yield f"Service {name} does not exist"

    def of_config_map(self, document):
        """Files with addresses of Services: where Prometheus, Alertmanager and Grafana look."""
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
        pods = [it for it in self.pods if spec["selector"].items() <= it.labels.items()]
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
        inside = [it["podSelector"] for it in peers if "namespaceSelector" not in it and "podSelector" in it]
        for selector in inside:
            if not self.selected(selector):
                yield f"peer {selector} matches no pod"
        if direction == "ingress":
            targets = self.selected(spec["podSelector"])
        else:
            targets = [pod for selector in inside for pod in self.selected(selector)]
        for port in rule.get("ports", []):
            if isinstance(port["port"], str) or direction == "egress":
                for pod in targets:
                    if not pod.is_knative and port["port"] not in pod.ports:
                        yield f"port {port['port']} is none of {pod.name}"

    def selected(self, selector):
        return [it for it in self.pods if matches(selector, it.labels)]

    def of_budget(self, document):
        if not self.selected(document["spec"]["selector"]):
            yield f"selector {document['spec']['selector']} matches no pod"

    def of_autoscaler(self, document):
        target = document["spec"]["scaleTargetRef"]
        scaled = [it for it in self.documents if kind(it) == (target["apiVersion"], target["kind"])]
        scaled = [it for it in scaled if it["metadata"]["name"] == target["name"]]
        if not scaled:
            yield f"{target['kind']} {target['name']} does not exist"
        for it in scaled:
            if "replicas" in it["spec"]:
                yield f"{target['name']} has replicas of its own"
            for container in it["spec"]["template"]["spec"]["containers"]:
                if "cpu" not in container["resources"].get("requests", {}):
                    yield f"{target['name']} requests no CPU to be measured against"
        if document["spec"]["minReplicas"] > document["spec"]["maxReplicas"]:
            yield "minReplicas is above maxReplicas"

    def of_source(self, document):
        sink = document["spec"]["sink"]["ref"]
        if not any(
            kind(it) == (sink["apiVersion"], sink["kind"]) and it["metadata"]["name"] == sink["name"]
            for it in self.documents
        ):
            yield f"sink {sink['kind']} {sink['name']} does not exist"


class Pod:
    """What a workload starts."""

    def __init__(self, name, template, selector, is_knative):
        self.name, self.selector, self.is_knative = name, selector, is_knative
        self.labels = template.get("metadata", {}).get("labels", {})
        self.spec = template["spec"]
        self.containers = self.spec["containers"]
        self.ports = set().union(*map(self.ports_of, self.containers))

    @classmethod
    def of(cls, document):
        """The pod of a workload; none of what is no workload."""
        name, spec = document.get("metadata", {}).get("name"), document.get("spec", {})
        try:
            if kind(document) == KNATIVE:
                return cls(name, spec["template"], {}, True)
            if document["kind"] in ("Deployment", "StatefulSet"):
                pod = cls(name, spec["template"], spec["selector"]["matchLabels"], False)
                pod.claims = {it["metadata"]["name"] for it in spec.get("volumeClaimTemplates", [])}
                return pod
            if document["kind"] == "Job":
                pod = cls(name, spec["template"], {}, False)
                if spec.get("completionMode") == "Indexed":
                    pod.variables = {"JOB_COMPLETION_INDEX"}
                return pod
        except (KeyError, TypeError):
            # It does not fit its schema, which is told elsewhere.
            pass
        return None

    # Volumes that are claimed for each pod, and variables that Kubernetes sets.
    claims = frozenset()
    variables = frozenset()

    @property
    def volumes(self):
        return {it["name"] for it in self.spec.get("volumes", [])} | set(self.claims)

    @staticmethod
    def ports_of(container):
        ports = container.get("ports", [])
        return {it["containerPort"] for it in ports} | {it["name"] for it in ports if "name" in it}

    def files(self, volume, world):
        """The files in a volume; none where only the running system knows."""
        for it in self.spec.get("volumes", []):
            if it["name"] != volume:
                continue
            if "secret" in it:
                keys = world.secrets.get(it["secret"]["secretName"], set())
                return {i["path"] for i in it["secret"].get("items", [])} or keys
            if "configMap" in it:
                keys = world.config_maps.get(it["configMap"]["name"], set())
                return {i["path"] for i in it["configMap"].get("items", [])} or keys
            if "projected" in it:
                files = set()
                for source in it["projected"]["sources"]:
                    config = source["configMap"]
                    keys = world.config_maps.get(config["name"], set())
                    files |= {i["path"] for i in config.get("items", [])} or keys
                return files
        return None

    def insecurities(self):
        """What the pod security standard `restricted` refuses, a writable root, and a token that nobody needs."""
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
    return {it["key"] for it in source.get("items", [])}


def matches(selector, labels):
    """Whether a label selector selects these labels."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for wanted in selector.get("matchExpressions", []):
        if wanted["operator"] != "In":
            raise ValueError(f"operator {wanted['operator']} is not used here")
        if labels.get(wanted["key"]) not in wanted["values"]:
            return False
    return True


def load(text):
    return [it for it in yaml.safe_load_all(text) if it]
