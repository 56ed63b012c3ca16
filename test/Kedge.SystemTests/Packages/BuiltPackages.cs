using Kedge.Demo;

namespace Kedge.SystemTests.Packages;

/// <summary>The packages of the published program, made once for all tests that only look at them. The image is not among them.</summary>
public sealed class BuiltPackages : IDisposable
{
    public const string Version = "1.2.0";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private readonly Topology _net = Topology.Create(); // for its folder, which is removed whatever happens

    public BuiltPackages()
    {
        Folder = Path.Combine(_net.TempFolder, "packages");
        Key = Path.Combine(_net.TempFolder, "key.pem");
        Run("openssl", "genpkey", "-algorithm", "ed25519", "-out", Key);
        Build(Folder, Version, "--key", Key, "deb", "rpm", "tarball");
    }

    /// <summary>A folder for a test's own files.</summary>
    internal string TempFolder => _net.TempFolder;

    /// <summary>Where the packages are.</summary>
    internal string Folder { get; }

    /// <summary>The private key that has signed the checksums.</summary>
    internal string Key { get; }

    internal string Deb => One("kedge_*.deb");

    internal string DebOfSymbols => One("kedge-dbgsym_*.deb");

    internal string Rpm => One("*.rpm");

    internal string Tarball => One("*.tar.xz");

    internal string Sbom => One("*.cdx.json");

    /// <summary>Makes packages, compressed quickly.</summary>
    internal static void Build(string folder, string version, params string[] options) => Run(
        [Repository.PathOf("script/package"), "--out", folder, "--version", version, "--compression", "0", .. options]);

    /// <summary>Runs a program to its end, and returns what it has printed; it must succeed.</summary>
    internal static string Run(params string[] line)
    {
        CommandResult result = RunningProcess.Run(new Command(line) { Timeout = Patience });
        Assert.True(result.Succeeded, $"{string.Join(' ', line)}\n{result.Output}{result.Error}");
        return result.Output;
    }

    public void Dispose() => _net.Dispose();

    private string One(string pattern) => Assert.Single(Directory.GetFiles(Folder, pattern));
}

/// <summary>Tests that share the packages.</summary>
[CollectionDefinition(nameof(PackageTests))]
public sealed class PackageTests : ICollectionFixture<BuiltPackages>;
