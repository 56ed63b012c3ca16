using Kedge.Node.ControlLink;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Tests.Certificates;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.ControlLink;

public sealed class MembersFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory();
    private readonly TestNetwork _network = new();
    private readonly string _path;

    public MembersFileTests() => _path = Path.Combine(_folder.FullName, "members.json");

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _network.Dispose();
    }

    [Fact]
    public void Without_a_file_nobody_is_known() => Assert.Empty(Open().Read());

    [Fact]
    public void The_newest_of_each_node_is_kept()
    {
        NodeCertificate a = _network.Certify(), b = _network.Certify();
        MembersFile file = Open();
        file.Keep(Member(a, 1));
        file.Keep(Member(b, 2));
        file.Keep(Member(a, 3));
        file.Write();

        Assert.Equal(
            [(a.Fingerprint, 3L), (b.Fingerprint, 2L)],
            Open().Read().OrderByDescending(member => member.Record.Sequence).Select(member => (member.Certificate.Fingerprint, member.Record.Sequence)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_path));
    }

    [Fact]
    public void What_was_read_is_kept_with_what_comes()
    {
        MembersFile first = Open();
        first.Keep(Member(_network.Certify(), 1));
        first.Write();
        MembersFile second = Open();
        second.Read();
        second.Keep(Member(_network.Certify(), 2));
        second.Write();

        Assert.Equal(2, Open().Read().Count);
    }

    [Fact]
    public void Of_too_many_the_oldest_that_are_no_anchors_go()
    {
        NodeCertificate anchor = _network.Certify();
        MembersFile file = Open();
        file.Keep(Member(anchor, 1, isAnchor: true));
        for (int i = 0; i < MembersFile.Capacity + 8; i++)
            file.Keep(Member(_network.Certify(), 10 + i));
        file.Write();

        IReadOnlyList<(NodeCertificate Certificate, NodeRecord Record)> read = Open().Read();
        Assert.Equal(MembersFile.Capacity, read.Count);
        Assert.Contains(read, member => member.Certificate.Fingerprint == anchor.Fingerprint);
        Assert.Equal(19, read.Where(member => member.Record.Sequence > 1).Min(member => member.Record.Sequence));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[null]")]
    [InlineData("[{\"Certificate\":\"AAAA\",\"Record\":\"AAAA\",\"IsAnchor\":true}]")]
    [InlineData("[{\"Certificate\":\"?\"}]")]
    public void A_damaged_file_is_as_good_as_none(string contents)
    {
        File.WriteAllText(_path, contents);

        Assert.Empty(Open().Read());
    }

    private MembersFile Open() => new(_path, NullLogger.Instance);

    private static MemberKept Member(NodeCertificate certificate, long sequence, bool isAnchor = false) => new(
        certificate,
        NodeRecord.Create(
            certificate, sequence, NodeRecord.MaximumLifetime, NodeTraits.None, [new(Endpoint.Parse("192.0.2.1:7891"), PeerEndpointKind.Fixed)], [],
            (_, signature) => signature.Fill(1)),
        isAnchor);
}
