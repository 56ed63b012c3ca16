using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary><c>kedge rp share</c>, which makes keys once and hands the public ones over.</summary>
public sealed class ShareTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;

    public ShareTests()
    {
        _host = _net.AddHost("a");
        Directory.CreateDirectory(PathOf("public"));
    }

    public void Dispose() => _net.Dispose();

    [Fact]
    public void Two_ends_wait_for_each_other_and_keep_their_keys()
    {
        RunningProcess a = _host.Start(Line("a", "--await", PathOf("public/b")));
        Wait.Until(() => Directory.Exists(PathOf("public/a")), Timeouts.Soon, "the public keys of a");
        Assert.False(a.HasExited);
        Assert.Equal(0, _host.TryRun(Line("b", "--await", PathOf("public/a"))).ExitCode);
        Assert.Equal(0, a.WaitForExit(Timeouts.Soon).ExitCode);

        Assert.Equal(["pqpk", "pqsk", "wgsk"], Names("a"));
        Assert.Equal(["pqpk", "wgpk"], Names("public/a"));
        Dictionary<string, byte[]> before = Contents();
        Assert.Equal(0, _host.TryRun(Line("a", "--await", PathOf("public/b"))).ExitCode);
        Assert.Equal(before, Contents());
    }

    [Fact]
    public void What_an_interrupted_call_has_left_is_made_anew_and_new_keys_replace_the_public_ones_of_old_keys()
    {
        Directory.CreateDirectory(PathOf("a.new"));
        File.WriteAllText(PathOf("a.new/wgsk"), "half");
        Assert.Equal(0, _host.TryRun(Line("a")).ExitCode);
        Assert.False(Directory.Exists(PathOf("a.new")));
        byte[] first = File.ReadAllBytes(PathOf("public/a/pqpk"));

        Directory.Delete(PathOf("a"), recursive: true);
        Assert.Equal(0, _host.TryRun(Line("a")).ExitCode);
        Assert.NotEqual(first, File.ReadAllBytes(PathOf("public/a/pqpk")));
        Assert.Equal(File.ReadAllBytes(PathOf("a/pqpk")), File.ReadAllBytes(PathOf("public/a/pqpk")));
        Assert.Equal(["a"], Names("public"));
    }

    [Fact]
    public void A_peer_that_does_not_come_is_named()
    {
        CommandResult result = _host.TryRun(Line("a", "--await", PathOf("public/b"), "--patience", "1"));
        Assert.Equal(1, result.ExitCode);
        Assert.Equal(
            $"kedge: The public keys {PathOf("public/b")} have not come within 1 s. Start that peer, or wait longer with --patience.\n",
            result.Error);
    }

    private string[] Line(string name, params string[] more) =>
        [Repository.Program, "rp", "share", PathOf(name), PathOf($"public/{name}"), .. more];

    private string[] Names(string folder) => [.. Directory.GetFileSystemEntries(PathOf(folder)).Select(Path.GetFileName).Order()!];

    private Dictionary<string, byte[]> Contents() =>
        Directory.GetFiles(_net.TempFolder, "*", SearchOption.AllDirectories).ToDictionary(path => path, File.ReadAllBytes);

    private string PathOf(string name) => Path.Combine(_net.TempFolder, name);
}
