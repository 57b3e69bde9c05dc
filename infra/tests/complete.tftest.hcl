# The example `complete`, planned with each kind of cache.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  packages_folder = "./tests/packages"
}

run "complete" {
  module {
    source = "./examples/complete"
  }

  assert {
    condition     = keys(output.functions) == ["analyze", "ingest", "ingest-stream"] && output.alarms.topic_arn != null && output.queue_url != null
    error_message = "a part of the example is missing"
  }
}

run "complete_serverless_with_tokens_and_a_weighted_release" {
  variables {
    cache   = { mode = "serverless" }
    jwt     = { issuer = "https://issuer.example.com", audience = ["tidemark"] }
    release = { ingest = { version = "7", new_version_weight = 0.1 } }
  }

  module {
    source = "./examples/complete"
  }

  assert {
    condition     = contains(output.alarms.names, "tidemark-prod-cache-full")
    error_message = "the cache has no alarms"
  }
}
