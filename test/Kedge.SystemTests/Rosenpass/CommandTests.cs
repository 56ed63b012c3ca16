using Kedge.Demo;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>The commands around keys and configurations, as a person calls them.</summary>
public sealed class CommandTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly string _config;

    public CommandTests()
    {
        _host = _net.AddHost("a");
        _config = PathOf("config.toml");
    }

    public void Dispose() => _net.Dispose();

    [Theory]
    [InlineData("0.2", 13568)]
    [InlineData("main", 13608)]
    public void A_key_pair_has_the_sizes_of_the_layout_and_is_not_replaced_unasked(string layout, int secretKeySize)
    {
        string publicKey = PathOf("pk"), secretKey = PathOf("sk");
        string[] command = ["gen-keys", "-p", publicKey, "-s", secretKey, "--layout", layout];
        Assert.Equal(0, Call(command).ExitCode);
        Assert.Equal(524160, new FileInfo(publicKey).Length);
        Assert.Equal(secretKeySize, new FileInfo(secretKey).Length);
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(secretKey));
        byte[] before = File.ReadAllBytes(secretKey);

        CommandResult refused = Call(command);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains($"{publicKey} exists and is not replaced", refused.Error, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(secretKey));
        Assert.Equal(0, Call([.. command, "-f"]).ExitCode);
        Assert.NotEqual(before, File.ReadAllBytes(secretKey));
    }

    [Fact]
    public void The_configuration_to_begin_with_is_valid_once_its_keys_are_there()
    {
        Assert.Equal(0, Call("gen-config", _config).ExitCode);
        string text = File.ReadAllText(_config);
        foreach (string name in new[] { "rosenpass-public-key", "rosenpass-secret-key", "peer-public-key" })
            text = text.Replace($"\"{name}\"", $"\"{PathOf(name)}\"", StringComparison.Ordinal);
        File.WriteAllText(_config, text);

        CommandResult early = Call("validate", _config);
        Assert.Equal(1, early.ExitCode);
        Assert.Contains($"The public key file {PathOf("rosenpass-public-key")} does not exist", early.Error, StringComparison.Ordinal);

        Assert.Equal(0, Call("gen-keys", _config).ExitCode);
        Assert.Equal(0, Call("gen-keys", "-p", PathOf("peer-public-key"), "-s", PathOf("peer-secret-key")).ExitCode);
        CommandResult valid = Call("validate", _config);
        Assert.Equal((0, $"{_config} is valid; peers: 1\n"), (valid.ExitCode, valid.Error));

        File.Copy(PathOf("peer-secret-key"), PathOf("rosenpass-secret-key"), overwrite: true);
        CommandResult mixed = Call("validate", _config);
        Assert.Equal(1, mixed.ExitCode);
        Assert.Contains("do not belong together", mixed.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("'peer-key' means nothing here", "public-key", "a", "secret-key", "b", "peer-key", "c")]
    [InlineData("secret-key PATH is missing", "public-key", "a", "peer", "public-key", "c")]
    [InlineData("'abc' is no public key of WireGuard", "public-key", "a", "secret-key", "b", "peer", "public-key", "c", "wireguard", "wg0", "abc")]
    public void A_call_that_makes_no_sense_is_explained(string expected, params string[] words)
    {
        CommandResult result = Call(["exchange", .. words]);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
        Assert.Contains("usage: kedge rosenpass exchange WORDS", result.Error, StringComparison.Ordinal);
    }

    private CommandResult Call(params string[] arguments) => _host.TryRun([Repository.Program, "rosenpass", .. arguments]);

    private string PathOf(string name) => Path.Combine(_net.TempFolder, name);
}
