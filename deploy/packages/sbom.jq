# CycloneDX 1.6 of one program, from NuGet's project.assets.json on the input.
# $version, $runtime (of .NET), $architecture, $commit, $epoch; $digest: SHA-256 of the program; $packages: for each "name/version"
# of a NuGet package its licence and the SHA-512 of its archive.

def nuget($name; $version): {
    type: "library",
    "bom-ref": "pkg:nuget/\($name)@\($version)",
    name: $name,
    version: $version,
    purl: "pkg:nuget/\($name)@\($version)",
    scope: "required",
    licenses: [{ license: { id: $packages["\($name)/\($version)"].licence } }],
    hashes: [{ alg: "SHA-512", content: $packages["\($name)/\($version)"].sha512 }]
};

# A library of the machine that runs the program. How: "linked", or "loaded" by name at run time.
def shared($name; $minimum; $soname; $how; $scope; $licence): {
    type: "library",
    "bom-ref": "soname:\($soname)",
    name: $name,
    version: $minimum,
    scope: $scope,
    licenses: [$licence],
    properties: [
        { name: "kedge:soname", value: $soname },
        { name: "kedge:binding", value: $how },
        { name: "kedge:version", value: "at least; the machine's own, not part of the program" }
    ]
};
def licence($id): { license: { id: $id } };

(.targets | to_entries | map(select(.key | contains("/"))) | first.value) as $target
| [$target | to_entries[] | select(.value.type == "package" and ((.value.runtime // {}) | keys | any(endswith(".dll")))) | .key] as $compiled
| [$compiled[], $packs[]] as $all
| [
    shared("glibc"; "2.34"; "libc.so.6"; "linked"; "required"; licence("LGPL-2.1-or-later")),
    shared("glibc"; "2.34"; "libm.so.6"; "linked"; "required"; licence("LGPL-2.1-or-later")),
    shared("openssl"; "3.0"; "libcrypto.so.3"; "loaded"; "required"; licence("Apache-2.0")),
    shared("openssl"; "3.0"; "libssl.so.3"; "loaded"; "required"; licence("Apache-2.0")),
    shared("sqlite"; "3"; "libsqlite3.so.0"; "loaded"; "required"; licence("blessing")),
    shared("libmceliece"; "1"; "libmceliece.so.1"; "loaded"; "optional"; { license: { name: "public domain" } })
] as $system
| {
    "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    # A UUID of version 8 (RFC 9562) made of the program's digest: the same program has the same.
    serialNumber: ($digest | "urn:uuid:\(.[0:8])-\(.[8:12])-8\(.[13:16])-8\(.[17:20])-\(.[20:32])"),
    version: 1,
    metadata: {
        timestamp: ($epoch | tonumber | todate),
        component: {
            type: "application",
            "bom-ref": "kedge",
            name: "kedge",
            version: $version,
            licenses: [licence("Apache-2.0")],
            hashes: [{ alg: "SHA-256", content: $digest }],
            properties: [
                { name: "kedge:architecture", value: $architecture },
                { name: "kedge:commit", value: $commit }
            ]
        }
    },
    components: ([$all[] | split("/") | nuget(.[0]; .[1])] + $system),
    dependencies: (
        [{ ref: "kedge", dependsOn: ([$all[] | "pkg:nuget/" + sub("/"; "@")] + [$system[]["bom-ref"]]) }]
        + [$compiled[] as $package | {
            ref: ("pkg:nuget/" + ($package | sub("/"; "@"))),
            dependsOn: [$target[$package].dependencies // {} | keys[] as $name | $compiled[] | select(startswith($name + "/")) | "pkg:nuget/" + sub("/"; "@")]
        }]
    )
}
