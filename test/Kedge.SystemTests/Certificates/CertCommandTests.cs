using System.Text;
using System.Text.Json;
using Kedge.Demo;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.SystemTests.Certificates;

/// <summary>How the nodes of a network without a controller get their certificates, as people run it: init, request, sign, show, revoke.</summary>
public sealed class CertCommandTests : IDisposable
{
    private const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Workshop _workshop = new();
    private readonly string _ca;

    public CertCommandTests()
    {
        _ca = PathOf("home");
        Workshop.Kedge("ca", "init", _ca, "--prefix", "10.20.0.0/16,fd00:20::/48", "--prefix", "192.168.40.0/24");
    }

    private string MasterFile => Path.Combine(_ca, "master.pem");

    public void Dispose() => _workshop.Dispose();

    [Fact]
    public void The_walk()
    {
        CommandResult asked = Ask("alice", "--ip", "10.20.0.1,fd00:20::1", "--child-prefix", "192.168.40.0/24", "--ca", MasterFile);
        string hash = KeyHash("alice");
        Assert.Contains(hash, asked.Output, StringComparison.Ordinal);

        // Keys and request are their owner's, and no key is printed.
        string keys = PathOf("alice.keys");
        Assert.Equal(OwnersFile | UnixFileMode.UserExecute, File.GetUnixFileMode(keys));
        Assert.All([.. Directory.GetFiles(keys), PathOf("alice.request")], file => Assert.Equal(OwnersFile, File.GetUnixFileMode(file)));
        string secret = File.ReadAllText(Path.Combine(keys, "wireguard.key")).Trim();
        string identity = File.ReadAllLines(Path.Combine(keys, "identity.key"))[1];
        string request = File.ReadAllText(PathOf("alice.request"));
        Assert.All([asked.Output, asked.Error, request], text =>
        {
            Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
            Assert.DoesNotContain(identity, text, StringComparison.Ordinal);
        });

        CommandResult signed = Sign("alice", "--relay", "alice", "--anchor", "--days", "30");
        Assert.Contains("1 of 1 certified.", signed.Error, StringComparison.Ordinal);
        Assert.Contains(hash, signed.Error, StringComparison.Ordinal);
        NodeCertificate certificate = Certificate("alice");
        NetworkTrust trust = Trust();
        Assert.Null(trust.Verify(certificate, NetworkZone.IdOf(trust.NetworkId), DateTimeOffset.UtcNow));
        Assert.Equal(["anchor", "relay"], certificate.Tags);
        Assert.Equal(["10.20.0.1/32", "192.168.40.0/24", "fd00:20::1/128"], certificate.Prefixes.Select(prefix => prefix.ToString()));
        Assert.Equal(Sha256Digest.Of(File.ReadAllBytes(Path.Combine(keys, "rosenpass.pub"))), certificate.RosenpassKeyHash);
        Assert.Equal(hash, certificate.IdentityKey!.Hash.ToString());
        Workshop.OpenSsl("verify", "-x509_strict", "-CAfile", MasterFile, PathOf("alice.pem"));

        string shown = Workshop.Kedge("cert", "show", PathOf("alice.pem")).Output;
        Assert.All((string[])["alice", "10.20.0.1", "192.168.40.0/24", "anchor, relay", hash, trust.NetworkId.ToString()], text =>
            Assert.Contains(text, shown, StringComparison.Ordinal));

        CommandResult revoked = Workshop.Kedge("ca", "revoke", PathOf("alice.pem"), "--ca", _ca);
        Assert.Contains("number 1, 1 revoked", revoked.Output, StringComparison.Ordinal);
        Assert.Equal(CertificateRefusal.Revoked, Trust().Verify(certificate, certificate.ZoneId, DateTimeOffset.UtcNow));

        // What is signed after that has the list with it, and its number has only grown.
        Ask("bob", "--ip", "10.20.0.2");
        Sign("bob");
        Assert.Contains("revocation list  number 1", Workshop.Kedge("cert", "show", PathOf("bob.pem")).Output, StringComparison.Ordinal);
        Assert.Contains("number 2, 2 revoked", Workshop.Kedge("ca", "revoke", PathOf("bob.pem"), "--ca", _ca).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_that_exist_are_used_and_never_replaced()
    {
        string keys = PathOf("alice.keys");
        Directory.CreateDirectory(keys, OwnersFile | UnixFileMode.UserExecute);
        string own = Convert.ToBase64String(new byte[32]) + "\n";
        File.WriteAllText(Path.Combine(keys, "wireguard.key"), own);
        File.SetUnixFileMode(Path.Combine(keys, "wireguard.key"), OwnersFile | UnixFileMode.GroupRead);
        Refuses("chmod 600", "alice");
        File.SetUnixFileMode(Path.Combine(keys, "wireguard.key"), OwnersFile);
        Ask("alice");
        byte[][] made = Contents(keys);

        Refuses("alice.request exists already", "alice");
        File.Delete(PathOf("alice.request"));
        Ask("alice", "--ip", "10.20.0.9");

        Assert.Equal(made, Contents(keys));
        Assert.Equal(own, File.ReadAllText(Path.Combine(keys, "wireguard.key")));

        // A secret key whose public half is lost is not made anew over it.
        File.Delete(Path.Combine(keys, "rosenpass.pub"));
        File.Delete(PathOf("alice.request"));
        byte[] before = File.ReadAllBytes(Path.Combine(keys, "rosenpass.key"));
        Refuses("without its public key", "alice");
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(keys, "rosenpass.key")));

        File.SetUnixFileMode(keys, OwnersFile | UnixFileMode.UserExecute | UnixFileMode.OtherWrite);
        Refuses("Others can write to", "alice");
    }

    [Fact]
    public void The_shortest_call_makes_keys_and_a_request_and_says_so()
    {
        Assert.Contains("Did you mean 'show'?", Workshop.TryKedge("cert", "shew").Error, StringComparison.Ordinal);
        CommandResult asked = InFolder("cert", "-n", "bob");

        Assert.Equal(0, asked.ExitCode);
        Assert.Contains("Taken for: kedge cert request --name bob", asked.Error, StringComparison.Ordinal);
        Assert.Contains("kedge ca sign bob.request", asked.Error, StringComparison.Ordinal);
        CommandResult refused = Workshop.TryKedge("ca", "sign", PathOf("bob.request"), "--ca", _ca, "--expect", $"bob={KeyHash("bob")}");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("--ip ADDRESS. 10.20.0.1 is free.", refused.Error, StringComparison.Ordinal);
        Sign("bob", "--ip", "10.20.0.1");
        Assert.Equal("10.20.0.1", Certificate("bob").Addresses.Single().ToString());
    }

    [Fact]
    public void Requests_and_certificates_go_through_pipes()
    {
        string keys = PathOf("carol.keys");
        CommandResult asked = Workshop.Kedge("cert", "request", "-", "--name", "carol", "--ip", "10.20.0.3", "--key", keys);
        using JsonDocument shown = JsonDocument.Parse(Pipe(asked.Output, "cert", "show", "-", "--json").Output);
        JsonElement request = shown.RootElement[0];
        Assert.Equal(("request", "carol"), (request.GetProperty("kind").GetString(), request.GetProperty("name").GetString()));

        CommandResult signed = Pipe(asked.Output, "ca", "sign", "-", "--ca", _ca, "--expect", $"carol={request.GetProperty("keyHash").GetString()}");

        Assert.Equal(0, signed.ExitCode);
        Assert.StartsWith("-----BEGIN CERTIFICATE-----", signed.Output, StringComparison.Ordinal);
        using JsonDocument certificates = JsonDocument.Parse(Pipe(signed.Output, "cert", "show", "-", "--json").Output);
        Assert.Equal(["node", "master"], certificates.RootElement.EnumerateArray().Select(one => one.GetProperty("kind").GetString()));
    }

    [Fact]
    public void What_cannot_be_is_refused_before_any_key_is_made()
    {
        Refuses("10.21.0.1 is not in the network of", "alice", "--ip", "10.21.0.1", "--ca", MasterFile);
        Refuses("10.0.0.0/8 is not in the network of", "alice", "--child-prefix", "10.0.0.0/8", "--ca", MasterFile);
        Refuses("is a folder", "alice", "--ca", _ca);
        Refuses("has no certificate of a network's master", "alice", "--ca", Path.Combine(_ca, "master.key"));
        Refuses("There is no file", "alice", "--ca", PathOf("nothing.pem"));
        Assert.False(Directory.Exists(PathOf("alice.keys")));

        string[][] wrong =
        [
            ["cert"], ["cert", "shew"], ["ca", "sign", "--relay", "a.request", "--ca", _ca], ["cert", "-n", "Not_A_Name"], ["cert", "request"], ["cert", "request", "--name", "a b"], ["cert", "show"],
            ["cert", "request", "--name", "alice", "--ip", "127.0.0.1"], ["cert", "request", "--name", "alice", "--ip", "10.20.0.1,"],
            ["cert", "request", "--name", "alice", "--ip", "10.20.0.1,10.20.0.2"], ["cert", "request", "--name", "alice", "--child-prefix", "::/0"],
            ["ca", "init", PathOf("other"), "--prefix", "0.0.0.0/0"], ["ca", "init", PathOf("other"), "--prefix", "10.20.0.0"],
        ];
        Assert.All(wrong, call => Assert.Equal((2, ""), (Workshop.TryKedge(call).ExitCode, Workshop.TryKedge(call).Output)));
    }

    [Fact]
    public void A_request_that_was_changed_on_the_way_is_refused()
    {
        Ask("alice", "--ip", "10.20.0.1", "--ca", MasterFile);
        string text = File.ReadAllText(PathOf("alice.request")), hash = KeyHash("alice");
        Ask("mallory");
        string stolen = Property(File.ReadAllText(PathOf("mallory.request")), "wireGuardKey");
        File.WriteAllText(PathOf("alice.request"), text.Replace(Property(text, "wireGuardKey"), stolen, StringComparison.Ordinal));

        CommandResult refused = Workshop.TryKedge("ca", "sign", PathOf("alice.request"), "--ca", _ca, "--out", PathOf("alice.pem"), "--expect", $"alice={hash}");

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("somebody has exchanged a key", refused.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(PathOf("alice.pem")));
        Assert.Contains("it was changed", Workshop.Kedge("cert", "show", PathOf("alice.request")).Output, StringComparison.Ordinal);

        // A network of another master does not sign it either.
        string other = PathOf("other");
        Workshop.Kedge("ca", "init", other);
        File.WriteAllText(PathOf("alice.request"), text);
        CommandResult foreign = Workshop.TryKedge("ca", "sign", PathOf("alice.request"), "--ca", other, "--expect", $"alice={hash}");
        Assert.Contains("the network of this master is", foreign.Error, StringComparison.Ordinal);
        Assert.Empty(foreign.Output);
    }

    private static string Property(string json, string name)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty(name).GetString()!;
    }

    private static byte[][] Contents(string folder) =>
        [.. Directory.GetFiles(folder).Where(file => !file.EndsWith(".lock", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];

    private static CommandResult Pipe(string input, params string[] arguments) =>
        RunningProcess.Run(new Command([Repository.Program, .. arguments]) { Input = input });

    private string PathOf(string file) => _workshop.PathOf(file);

    /// <summary>Runs the program in the folder; files that are not named are there.</summary>
    private CommandResult InFolder(params string[] arguments) =>
        RunningProcess.Run(new Command(["env", "-C", PathOf("."), Repository.Program, .. arguments]));

    private CommandResult Ask(string name, params string[] more)
    {
        CommandResult result = InFolder(["cert", "request", "--name", name, .. more]);
        Assert.True(result.Succeeded, result.Error);
        return result;
    }

    private void Refuses(string reason, string name, params string[] more)
    {
        CommandResult result = InFolder(["cert", "request", "--name", name, .. more]);
        Assert.Contains(reason, result.Error, StringComparison.Ordinal);
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
    }

    private string KeyHash(string name)
    {
        using JsonDocument shown = JsonDocument.Parse(Workshop.Kedge("cert", "show", PathOf($"{name}.request"), "--json").Output);
        return shown.RootElement[0].GetProperty("keyHash").GetString()!;
    }

    private CommandResult Sign(string name, params string[] more) => Workshop.Kedge(
        ["ca", "sign", PathOf($"{name}.request"), "--ca", _ca, "--out", PathOf($"{name}.pem"), "--expect", $"{name}={KeyHash(name)}", .. more]);

    private NodeCertificate Certificate(string name)
    {
        byte[] der = Pem.Read(File.ReadAllText(PathOf($"{name}.pem"), Encoding.ASCII), Pem.Certificate)[0];
        Assert.True(NodeCertificate.TryParse(der, out NodeCertificate? certificate, out CertificateRefusal refusal), refusal.Sentence());
        return certificate;
    }

    private NetworkTrust Trust()
    {
        string list = Path.Combine(_ca, "revoked.pem");
        byte[] master = Pem.Read(File.ReadAllText(MasterFile), Pem.Certificate).Single();
        Assert.True(AuthorityCertificate.TryParse(master, out AuthorityCertificate? certificate, out _));
        return NetworkTrust.Create(
            certificate.NetworkId, [master], File.Exists(list) ? Pem.Read(File.ReadAllText(list), Pem.RevocationList) : []);
    }
}
