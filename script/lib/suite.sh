# Programs of another Debian release, without touching this system's own packages. To be sourced.

# from_suite SUITE FOLDER PACKAGE...: extracts packages of a release into a folder, and not what they depend on: fit for programs that need
# nothing but libc. The mirror is the one that this system's apt uses.
from_suite() {
    local suite=$1 folder=$2 mirror
    shift 2
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m 1 -E '/debian/?$') || {
        echo "apt has no Debian mirror configured, from which $* of '$suite' could be had." >&2
        return 1
    }
    local state=$folder/.apt
    mkdir -p "$state/lists/partial" "$state/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$state/sources.list"
    local apt=(apt-get -qq -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$state/lists" -o Dir::Cache="$state" -o Dir::Cache::Archives="$state/archives"
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User=root)
    "${apt[@]}" update
    (cd "$state/archives" && "${apt[@]}" download "$@")
    local package
    for package in "$state"/archives/*.deb; do
        dpkg-deb --extract "$package" "$folder"
    done
    rm -rf "$state"
}

# cloud_kernel FOLDER: extracts the kernel for clouds of this system's own release into a folder, for a virtual machine.
cloud_kernel() (
    set -euo pipefail
    folder=$1 archives=$(mktemp -d)
    trap 'rm -rf "$archives"' EXIT
    download() {
        local package
        package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p')
        (cd "$archives" && apt-get -qq -o APT::Sandbox::User=root download "$package")
    }
    # The package lists may be so old that what they name is gone.
    download || { apt-get -qq update && download; }
    dpkg-deb --extract "$archives"/linux-image-*.deb "$folder"
)
