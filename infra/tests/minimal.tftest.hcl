# The example `minimal`, planned.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "minimal" {
  variables {
    packages_folder = "./tests/packages"
  }

  module {
    source = "./examples/minimal"
  }

  assert {
    condition     = keys(output.urls) == ["analyze", "ingest"]
    error_message = "a function has no address"
  }
}
